//! Small, working contents for the kinds of files a demo makes.

/// The content of a file with this name, which prints or shows `quoted`.
pub(super) fn content(file_name: &str, quoted: Option<&str>, prompt: &str) -> String {
    let text = quoted.unwrap_or("Hello, World!");
    let literal = literal(text);
    match file_name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("py") => format!("print({literal})\n"),
        Some("js" | "ts") => format!("console.log({literal});\n"),
        Some("sh") => format!("#!/bin/sh\necho '{}'\n", text.replace('\'', r"'\''")),
        Some("rs") => format!("fn main() {{\n    println!(\"{{}}\", {literal});\n}}\n"),
        Some("go") => {
            format!("package main\n\nimport \"fmt\"\n\nfunc main() {{\n\tfmt.Println({literal})\n}}\n")
        }
        Some("c") => {
            format!("#include <stdio.h>\n\nint main(void) {{\n    puts({literal});\n    return 0;\n}}\n")
        }
        Some("html") => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            format!("<!doctype html>\n<title>{text}</title>\n<h1>{text}</h1>\n")
        }
        Some("json") => format!("{{\n  \"message\": {literal}\n}}\n"),
        _ => match quoted {
            Some(text) => format!("{text}\n"),
            None => format!("# Notes\n\n{}\n", prompt.lines().next().unwrap_or_default()),
        },
    }
}

/// A string literal that all of these languages read alike.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
