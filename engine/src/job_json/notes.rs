//! What a conversion tells beside the script: what has no effect here, and why.

/// Notes in the order in which they were made. Each is a warning, and a line in the head of the script.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    warnings: Vec<String>,
    comments: Vec<String>,
}

impl Notes {
    /// A parameter that has no effect here.
    pub(crate) fn ignored(&mut self, path: &str, why: &str) {
        self.comments.push(format!("Ignored: {path}: {why}"));
        self.warnings.push(format!("{path} is ignored: {why}"));
    }

    /// A parameter that nobody knows.
    pub(crate) fn unknown(&mut self, path: &str, hint: &str) {
        self.comments.push(format!("Ignored: {path}, which is not known"));
        self.warnings.push(format!("unknown parameter {path} is ignored{hint}"));
    }

    /// Something that the script does otherwise than the job did.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.comments.push(format!("Note: {text}"));
        self.warnings.push(text);
    }

    /// How something was mapped, where a reader of the script would ask. No warning.
    pub(crate) fn comment(&mut self, text: impl Into<String>) {
        self.comments.push(text.into());
    }

    /// For standard error.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// For the head of the script.
    pub(crate) fn comments(&self) -> &[String] {
        &self.comments
    }
}
