"""First-order ambisonics: transforms, and the formats that are converted to ambiX."""
