// @ts-check
/** Enough Markdown to look at the window with; the real renderer is in Rust. */

/** @param {string} text */
function escape(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

/** @param {string} text */
function inline(text) {
  return escape(text)
    .replace(/`([^`]+)`/g, "<code>$1</code>")
    .replace(/!\[([^\]]*)\]\(([^)]+)\)/g, '<span class="image-placeholder" data-src="$2">$1</span>')
    .replace(/\[([^\]]+)\]\(([^)]+)\)/g, '<a data-href="$2" role="link" tabindex="0">$1</a>')
    .replace(/\$([^$\n]+)\$/g, '<code class="math">$1</code>')
    .replace(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>")
    .replace(/\*([^*]+)\*/g, "<em>$1</em>");
}

const words = /\b(let|mut|for|in|fn|use|return|if|else|const|async|await|pub|impl|struct|match)\b/g;

/** @param {string} code */
function highlight(code) {
  return escape(code)
    .split(/(&quot;.*?&quot;|\/\/[^\n]*)/)
    .map((part) => {
      if (part.startsWith("&quot;")) return `<span class="tok-string">${part}</span>`;
      if (part.startsWith("//")) return `<span class="tok-comment">${part}</span>`;
      return part
        .replace(/\b(\d+)\b/g, '<span class="tok-number">$1</span>')
        .replace(words, '<span class="tok-keyword">$1</span>')
        .replace(/\b([A-Z]\w+)\b/g, '<span class="tok-type">$1</span>')
        .replace(/\b(\w+)(?=\()/g, '<span class="tok-function">$1</span>');
    })
    .join("");
}

/** @param {string[]} lines */
function table(lines) {
  const rows = lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => inline(cell.trim())),
  );
  const [head, , ...body] = rows;
  const cells = (/** @type {string[]} */ row, /** @type {string} */ tag) =>
    row.map((cell) => `<${tag}>${cell}</${tag}>`).join("");
  return `<div class="table"><table><thead><tr>${cells(head, "th")}</tr></thead><tbody>${body.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")}</tbody></table></div>`;
}

/** @param {string} item */
function task(item) {
  const box = item.match(/^\[([ x])\] (.*)$/);
  return box ? `<input type="checkbox" disabled${box[1] === "x" ? " checked" : ""}> ${inline(box[2])}` : inline(item);
}

/** @param {string} block */
function renderBlock(block) {
  const fence = block.match(/^```(\w*)\n?([\s\S]*?)(?:\n?```)?$/);
  if (fence)
    return `<div class="code"><div class="code-head"><span class="code-lang">${escape(fence[1])}</span></div><pre><code>${highlight(fence[2])}</code></pre></div>`;
  const lines = block.split("\n");
  const heading = block.match(/^(#{1,4}) (.*)$/);
  if (heading) return `<h${heading[1].length}>${inline(heading[2])}</h${heading[1].length}>`;
  if (/^---+$/.test(block)) return "<hr>";
  if (block.startsWith("$$")) return `<div class="math">${escape(block.replaceAll("$$", "").trim())}</div>`;
  if (lines[0].startsWith("|") && lines.length > 2) return table(lines);
  if (lines.every((line) => line.startsWith(">")))
    return `<blockquote><p>${inline(lines.map((line) => line.slice(1).trim()).join("\n"))}</p></blockquote>`;
  if (lines.every((line) => /^[-*] /.test(line)))
    return `<ul>${lines.map((line) => `<li>${task(line.slice(2))}</li>`).join("")}</ul>`;
  if (lines.every((line) => /^\d+\. /.test(line)))
    return `<ol>${lines.map((line) => `<li>${inline(line.replace(/^\d+\. /, ""))}</li>`).join("")}</ol>`;
  return `<p>${inline(block).replaceAll("\n", "<br>")}</p>`;
}

/** Splits at blank lines, but not inside a fence. @param {string} text */
function blocks(text) {
  /** @type {string[]} */
  const found = [];
  let fenced = false;
  let current = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) fenced = !fenced;
    if (line === "" && !fenced) {
      if (current) found.push(current);
      current = "";
    } else current += (current ? "\n" : "") + line;
  }
  return { complete: found, rest: current };
}

/** @param {string} text */
export function renderMarkdown(text) {
  const { complete, rest } = blocks(text);
  return [...complete, ...(rest ? [rest] : [])].map(renderBlock).join("");
}

/** What stays and what may still change of a text that is being written. @param {string} text */
export function renderPartial(text) {
  const { complete, rest } = blocks(text);
  return { settled: complete.map(renderBlock), tail: rest ? renderBlock(rest) : "" };
}
