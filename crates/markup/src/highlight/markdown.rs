use super::{Class, Output};

/// Reads Markdown by its lines; of what stands inside a line, only code is coloured.
pub(super) fn read(code: &str, output: &mut Output<'_>) {
    let mut in_fence = false;
    for line in code.split_inclusive('\n') {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            in_fence = !in_fence;
            output.push(Class::String, line);
        } else if in_fence {
            output.push(Class::String, line);
        } else if start.starts_with('#') {
            output.push(Class::Keyword, line);
        } else if start.starts_with('>') {
            output.push(Class::Comment, line);
        } else {
            read_line(line, output);
        }
    }
}

fn read_line(line: &str, output: &mut Output<'_>) {
    let content = line.trim_start();
    let mut marker = line.len() - content.len();
    output.push(Class::Plain, &line[..marker]);
    if ["- ", "* ", "+ "].iter().any(|bullet| content.starts_with(bullet)) {
        output.push(Class::Operator, &content[..1]);
        marker += 1;
    }
    for (number, part) in line[marker..].split_inclusive('`').enumerate() {
        output.push(if number % 2 == 0 { Class::Plain } else { Class::String }, part);
    }
}
