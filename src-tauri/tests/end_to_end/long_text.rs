//! Megabytes in the composer.

use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::models;

const RESPONSIVE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn ten_megabytes_stay_in_hand_and_are_refused_with_the_text_kept() {
    let desk = Desk::new("long-text").await;
    let window = desk.open_with(&desk.model("quick.gguf", &models::quick())).await;
    window.type_into("#composer-input", "Please read:").await;
    let begun = Instant::now();
    window
        .run(
            "
        const data = new DataTransfer();
        data.setData('text/plain', 'All work and no play. '.repeat(480_000).slice(0, 10_485_760));
        const paste = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
        document.querySelector('#composer-input').dispatchEvent(paste);
    ",
        )
        .await;
    window.until_shown("held-text").await;
    assert!(begun.elapsed() < RESPONSIVE, "after {:?}", begun.elapsed());
    assert!(window.text("held-text").await.contains("10,485,760"));
    window.screenshot("1-pasted").await;

    window.click("#send").await;
    window.until_shown("[data-testid=composer-error][data-code=message_too_long]").await;
    let begun = Instant::now();
    assert!(window.text("held-text").await.contains("10,485,7"), "the text is kept");
    assert!(begun.elapsed() < RESPONSIVE, "after {:?}", begun.elapsed());
    assert_eq!(window.messages().await, [], "nothing was sent");
    window.screenshot("2-refused").await;

    window.click("held-text button").await;
    window.until_gone("held-text").await;
    window.send("tea").await;
    assert_eq!(window.until_reply(1).await.text, models::TEA);
    window.until_gone("[data-testid=composer-error]").await;
}
