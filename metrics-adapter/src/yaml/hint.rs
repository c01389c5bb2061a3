use super::Mark;

/// What to write where a text is no YAML, if it is one of the mistakes that are made often.
pub(super) fn hint(text: &str, at: Mark, problem: &str) -> Option<&'static str> {
    let line = text.lines().nth(at.line.checked_sub(1)?)?;
    let (place, _) = line.char_indices().nth(at.column.checked_sub(1)?)?;
    let (before, after) = (line[..place].trim_end(), &line[place..]);
    if after.trim() == "," && before.ends_with(['}', ']', '"', '\'']) {
        return Some("a `,` at the end of a line: between lines there is none; take it away");
    }
    if problem.contains("trailing content after") {
        return Some(if before.ends_with('\'') {
            "a `'` within `'…'` ends the text; write it twice: ''"
        } else {
            "a `\"` within `\"…\"` ends the text; write '…' around it instead"
        });
    }
    problem.contains("unknown escape").then_some("a `\\` within `\"…\"` begins an escape; write '…' around it instead")
}
