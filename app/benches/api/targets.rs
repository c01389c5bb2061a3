/// What was promised, and whether it came true.
#[derive(Default)]
pub(crate) struct Targets(Vec<(&'static str, String)>);

impl Targets {
    pub(crate) fn add(&mut self, promise: String, reached: bool) {
        self.0.push((if reached { "reached" } else { "NOT reached" }, promise));
    }

    /// What somebody should know who reads the target before it.
    pub(crate) fn note(&mut self, text: String) {
        self.0.push(("", text));
    }

    pub(crate) fn print(&self) {
        for (verdict, text) in &self.0 {
            println!("{verdict:>12}  {text}");
        }
    }
}
