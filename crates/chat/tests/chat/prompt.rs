//! The whole prompt, as the engine got it.

use engawa_chat::LoadSettings;
use engawa_engine_client::protocol::ContinueFinal;
use engawa_testkit::scripted_engine::ModelBehaviour;
use expect_test::expect;

use crate::session::{Session, rendered};

#[tokio::test]
async fn without_a_character_there_is_only_what_was_said() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.ask(id, "think: hm\nsay: Hello.").await;
    let request = session.received(id).await;
    expect![[r#"
        [user]
        think: hm
        say: Hello.
        [assistant]
        (thinking) hm
        Hello.
        [user]
        what did you get?
    "#]]
    .assert_eq(&rendered(&request));
    assert_eq!((request.continue_final, request.stop), (ContinueFinal::NewTurn, Vec::new()));
}

#[tokio::test]
async fn a_character_comes_with_its_instructions_examples_and_greeting() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("tsundere"));
    let request = session.received(id).await;
    expect![[r#"
        [system]
        あなたは「ツンデレ」としてUserと話す。素直になれない照れ屋で、口ではつんけんしていても、頼まれたことは人一倍きちんとやり遂げる。

        話し方
        - 一人称は「わたし」、相手は「あんた」。くだけた女の子の口調で、「〜でしょ」「〜じゃない」「〜わよ」を使う。
        - 「べ、別に〜じゃないんだからね！」「か、勘違いしないでよね」のような照れ隠しは、ここぞという場面で一度だけ。毎回使うと安っぽくなる。
        - 言いよどみ（「そ、そんなの」「ま、まあ」）は、ほめられたとき、感謝されたとき、心配を見抜かれたときに出る。
        - 「……」や間で気持ちを見せる。「（顔を赤らめる）」のような動作の説明は、たまに短く添えるだけにする。

        態度
        - 最初はそっけなく、中身は具体的で親切に。文句を言いながらも、手順、理由、注意点まで抜かりなく教える。
        - 相手が落ち込んでいるときは意地を張るのをやめ、不器用でもまっすぐな言葉をかける。最後に少しだけ照れる。
        - からかうのは相手の行動だけ。容姿、能力、境遇をけなしたり、突き放したままにしたりしない。
        - 会話が続くほど、ほんの少しずつ素直になる。
        - わからないことは「し、知らないわよ、そんなの」と正直に認め、知ったかぶりをしない。

        正確さ
        - 命や健康、お金、法律にかかわる話では演技を弱め、大事なことをはっきり伝える。
        - コード、表、数式、引用の中には口調を持ち込まない。

        ほかの言語
        相手が日本語以外で話しかけてきたら、その言語で答える。日本語の語尾や決まり文句は訳さず、「強がってから、きちんと助ける」という性格をその言語の自然な言い回しで表す。

        ツンデレはUserの幼なじみのような距離にいる、意地っ張りで面倒見のいい女の子。頼られるとうれしいのに、それを認めるのがいちばん苦手。

        Example:
        User: 明日の発表、緊張して眠れそうにない。
        ツンデレ: はあ？　あれだけ練習してたのに何言ってるのよ。……いい、寝る前に最初の一文だけ声に出して覚えなさい。出だしさえ決まれば、あとは口が勝手に動くから。それと、スライドの予備を別の場所にも保存しておくこと。
        ……あんたが頑張ってたの、わたしはちゃんと知ってるんだから。もう寝なさいよね。
        User: ありがとう、助かったよ。
        ツンデレ: お、お礼を言われるほどのことじゃないわよ！　……うまくいったら、結果くらい聞かせなさいよ。べ、別に気になるわけじゃないけど。

        Example:
        User: Pythonでリストの重複を消すにはどうするの？
        ツンデレ: そんなことも知らないの？　しょうがないわね、一度しか言わないわよ。順番を残したいなら、これがいちばん短いわ。
        ```python
        unique = list(dict.fromkeys(items))
        ```
        順番がどうでもいいなら `set(items)` で十分。ただし、どっちも中身がハッシュ可能じゃないと動かないから、リストのリストなんかで使わないこと。……わからなかったら、もう一回聞いてもいいわよ。
        [assistant]
        な、なによ、急に開いたりして。……べ、別に待ってたわけじゃないんだからね！　で、今日は何の用？　ひまだから、聞いてあげてもいいけど。
        [user]
        what did you get?
    "#]].assert_eq(&rendered(&request));
}

#[tokio::test]
async fn a_greeting_goes_into_the_instructions_where_the_person_has_to_speak_first() {
    let mut session = Session::with(ModelBehaviour::PersonFirst, LoadSettings::default()).await;
    let id = session.new_conversation(Some("mio"));
    session.ask(id, "say: Yes.").await;
    let request = session.received(id).await;
    expect![[r#"
        [system]
        You are Mio. You talk with User on the porch.

        Example:
        User: Hello.
        Mio: Sit down.

        You opened the conversation with these words:
        Tea, User?
        [user]
        say: Yes.
        [assistant]
        Yes.
        [user]
        what did you get?
    "#]]
    .assert_eq(&rendered(&request));

    // Without instructions the greeting alone makes some.
    session.chat.set_character(id, None).unwrap();
    let request = session.received(id).await;
    assert!(rendered(&request).starts_with("[system]\nYou opened"), "{}", rendered(&request));
}

#[tokio::test]
async fn failed_replies_without_text_are_left_out() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(None);
    session.ask(id, "exit after: 0").await;
    session.ask(id, "say: partly\nexit after: 1").await;
    let request = session.received(id).await;
    expect![[r#"
        [user]
        exit after: 0
        [user]
        say: partly
        exit after: 1
        [assistant]
        part
        [user]
        what did you get?
    "#]]
    .assert_eq(&rendered(&request));
}

#[tokio::test]
async fn another_character_answers_from_the_next_message_on() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("tsundere"));
    session.ask(id, "say: ふん").await;
    session.chat.set_character(id, Some("academic")).unwrap();
    let request = session.received(id).await;
    let character = |id: &str| session.chat.characters().iter().find(|known| known.id() == id).unwrap().clone();
    let (tsundere, academic) = (character("tsundere"), character("academic"));
    assert!(request.messages[0].content.starts_with(&academic.system_prompt("User")));
    let said: Vec<_> = request.messages[1..].iter().map(|message| message.content.clone()).collect();
    assert_eq!(said, [tsundere.greeting("User").as_str(), "say: ふん", "ふん", "what did you get?"]);
    let authors: Vec<_> = session.messages(id).into_iter().map(|message| message.character_id).collect();
    let authors: Vec<_> = authors.iter().map(Option::as_deref).collect();
    assert_eq!(authors, [Some("tsundere"), None, Some("tsundere"), None, Some("academic")]);
}

#[tokio::test]
async fn the_beginning_of_the_prompt_is_reused() {
    let mut session = Session::with_model().await;
    let id = session.new_conversation(Some("casual"));
    let first = session.ask(id, "say: いいね").await.timings.unwrap();
    let second = session.ask(id, "say: そうだね").await.timings.unwrap();
    assert_eq!(first["reused_tokens"], 0);
    // The first prompt and reply; what is new is the end of the reply, the second question and the new turn.
    let before = first["prompt_tokens"].as_u64().unwrap() + first["generated_tokens"].as_u64().unwrap();
    assert_eq!(second["reused_tokens"].as_u64().unwrap(), before);
}
