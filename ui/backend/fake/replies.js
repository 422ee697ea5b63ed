// @ts-check
/** What the pretended model answers. */

const japanese = `べ、別にあんたのために調べたわけじゃないんだからね。\`csv\` クレートを使えば一行ずつ読めるわよ。メモリも食わないし。

\`\`\`rust
let mut reader = csv::Reader::from_path("big.csv")?;
for record in reader.deserialize::<Row>() {
    let row = record?; // 壊れた行はここで分かる
    println!("{}", row.name);
}
\`\`\`

引用符も改行もちゃんと扱ってくれるの。自分で \`split(',')\` なんて書いたら許さないんだから。

1. まず \`Row\` に **serde** を付ける
2. それから一行ずつ *読む*
3. 詳しくは [docs.rs の説明](https://docs.rs/csv/latest/csv/) を見なさい
`;

const english = `Three ways, from the shortest to the one that survives a **10 GB** file.

| Way | Memory | When |
|---|---|---|
| \`read_to_string\` | the whole file | small files |
| \`lines()\` | one line | logs |
| \`csv::Reader\` | one record | real CSV |

> A quoted field may hold a line break, so splitting by lines is not enough.

\`\`\`rust
use std::fs::File;

fn main() -> Result<(), Box<dyn Error>> {
    let file = File::open("big.csv")?; // opened once
    let mut reader = csv::Reader::from_reader(file);
    for record in reader.records() {
        println!("{:?}", record?.get(0));
    }
    Ok(())
}
\`\`\`

- [x] handles quotes
- [ ] handles other encodings, see [encoding_rs](https://docs.rs/encoding_rs/)

The cost is $O(n)$ in time and constant in memory.
`;

const russian = `Коротко: читайте файл по одной записи.

- Память не растёт вместе с файлом.
- Кавычки и переводы строк внутри полей разбирает библиотека.

Подробнее: [документация](https://docs.rs/csv/).
`;

/** @param {string} prompt @returns {{ text: string; thinking: string; slow: boolean; end: "complete" | "crash" | "error" | "length" }} */
export function replyTo(prompt) {
  const asked = prompt.toLowerCase();
  const text = /[\u3040-\u30ff\u4e00-\u9fff]/.test(prompt) ? japanese : /[а-я]/i.test(prompt) ? russian : english;
  const end = asked.includes("crash")
    ? "crash"
    : asked.includes("error")
      ? "error"
      : asked.includes("limit")
        ? "length"
        : "complete";
  const thinking = asked.includes("plain")
    ? ""
    : "The person wants to read a large CSV file.\nA streaming reader is the right tool; quoting rules out splitting by hand.";
  return { text: asked.includes("long") ? text.repeat(6) : text, thinking, slow: asked.includes("slow"), end };
}
