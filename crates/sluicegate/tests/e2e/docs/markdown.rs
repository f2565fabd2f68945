//! As much of Markdown as the pages use: fenced blocks, tables, headings, links.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A page of the documentation.
pub struct Page {
    /// Path from the root of the repository.
    pub name: String,
    pub text: String,
}

/// A fenced block.
pub struct Block {
    pub language: String,
    pub text: String,
}

impl Page {
    pub fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(root().join(name));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Every page.
    pub fn all() -> Vec<Self> {
        let docs = std::fs::read_dir(root().join("docs")).unwrap();
        let docs = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = docs
            .filter(|name| name.ends_with(".md"))
            .map(|name| format!("docs/{name}"))
            .collect();
        names.extend(["README.md".to_owned(), "ARCHITECTURE.md".to_owned()]);
        names.sort();
        names.iter().map(|name| Self::read(name)).collect()
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if let Some(language) = line.strip_prefix("```") {
                let inside = lines.by_ref().take_while(|line| *line != "```");
                let text = inside.map(|line| format!("{line}\n")).collect();
                blocks.push(Block {
                    language: language.to_owned(),
                    text,
                });
            }
        }
        blocks
    }

    /// The lines outside of blocks, with the anchor of the section they are in.
    fn prose(&self) -> Vec<(String, &str)> {
        let mut prose = Vec::new();
        let (mut fenced, mut section) = (false, String::new());
        for line in self.text.lines() {
            if line.starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                if let Some(heading) = heading(line) {
                    section = anchor(heading);
                }
                prose.push((section.clone(), line));
            }
        }
        prose
    }

    /// The rows of all tables whose first column has this title.
    pub fn rows(&self, title: &str) -> Vec<Vec<String>> {
        self.tables()
            .into_iter()
            .filter(|table| table.title == title)
            .flat_map(|it| it.rows)
            .collect()
    }

    /// The rows of the tables under the heading with this anchor.
    pub fn rows_of(&self, section: &str) -> Vec<Vec<String>> {
        let tables = self
            .tables()
            .into_iter()
            .filter(|table| table.section == section);
        let rows: Vec<_> = tables.flat_map(|table| table.rows).collect();
        assert!(
            !rows.is_empty(),
            "{} has no table under #{section}",
            self.name
        );
        rows
    }

    fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        let mut inside = false;
        for (section, line) in self.prose() {
            let Some(cells) = cells(line) else {
                inside = false;
                continue;
            };
            if !inside {
                inside = true;
                tables.push(Table {
                    section,
                    title: cells[0].clone(),
                    rows: Vec::new(),
                });
            } else if !cells
                .iter()
                .all(|cell| cell.chars().all(|c| c == '-') && !cell.is_empty())
            {
                tables.last_mut().unwrap().rows.push(cells);
            }
        }
        tables
    }

    /// The targets of all links.
    pub fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for (_, line) in self.prose() {
            for (index, _) in line.match_indices("](") {
                let target = &line[index + 2..];
                links.push(target.split(')').next().unwrap().to_owned());
            }
        }
        links
    }

    /// Whether a link leads somewhere. Addresses of others are taken for good.
    pub fn resolve(&self, link: &str) -> Result<(), String> {
        if link.starts_with("https://") {
            return Ok(());
        }
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let directory = Path::new(&self.name).parent().unwrap();
        let target = match path {
            "" => PathBuf::from(&self.name),
            path => directory.join(path),
        };
        if !root().join(&target).exists() {
            return Err(format!("there is no {}", target.display()));
        }
        if anchor.is_empty() {
            return Ok(());
        }
        let page = Self::read(target.to_str().unwrap());
        let found = page.prose().iter().any(|(section, _)| section == anchor);
        found
            .then_some(())
            .ok_or_else(|| format!("{} has no such heading", page.name))
    }
}

struct Table {
    section: String,
    title: String,
    rows: Vec<Vec<String>>,
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(
        inside
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect(),
    )
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len())
        .then(|| text.strip_prefix(' '))
        .flatten()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The code spans of a text.
pub fn code(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
