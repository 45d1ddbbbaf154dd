//! The note that a run keeps of what it started, so that `down` can end it when the run itself can't any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::compose::Project;
use crate::process::{self, Process};
use crate::signals::Signals;
use crate::workspace;

/// How long servers may take to end in good order: after the pair's own time, so that all is over within ten seconds.
const SERVERS_GRACE: Duration = Duration::from_secs(3);
/// How long `down` waits for a run to end by itself.
const RUN_GRACE: Duration = Duration::from_secs(12);

/// What is on record about one run of `up`, `test` or `services`.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// The xtask that runs it.
    run: Process,
    /// In the order in which they were started.
    processes: Vec<Process>,
    /// Compose projects.
    projects: Vec<Project>,
    /// Folders that go when the run ends.
    folders: Vec<PathBuf>,
    /// Folders and projects that stay, and that one run at a time may use.
    holds: Vec<String>,
}

/// A run in progress. Dropping it ends what it started.
pub struct Run {
    note: Note,
    file: PathBuf,
    signals: Signals,
}

impl Run {
    /// Begins a run, after ending what a run that was killed has left behind.
    pub fn begin(name: &str, signals: &Signals) -> Result<Self> {
        let folder = notes_folder();
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        for (file, note) in read_notes(&folder)? {
            if !note.run.lives() {
                clear(&note, &file, signals);
            }
        }
        let run = Process::ourselves(name)?;
        let file = folder.join(format!("{}.json", run.pid));
        let note = Note {
            run,
            processes: Vec::new(),
            projects: Vec::new(),
            folders: Vec::new(),
            holds: Vec::new(),
        };
        let run = Self {
            note,
            file,
            signals: signals.clone(),
        };
        run.write()?;
        Ok(run)
    }

    /// Puts a process on record, so that it is ended with the run.
    pub fn owns(&mut self, process: Process) -> Result<()> {
        self.note.processes.push(process);
        self.write()
    }

    /// Takes a process off the record: it has ended as it should.
    pub fn disowns(&mut self, process: &Process) -> Result<()> {
        self.note.processes.retain(|owned| owned != process);
        self.write()
    }

    /// Puts a compose project on record, before it is started.
    pub fn owns_project(&mut self, project: Project) -> Result<()> {
        self.note.projects.push(project);
        self.write()
    }

    /// Puts a folder on record that goes when the run ends, before it is made.
    pub fn owns_folder(&mut self, folder: &Path) -> Result<()> {
        self.note.folders.push(folder.to_owned());
        self.write()
    }

    /// Claims something that outlives runs, for this one alone.
    pub fn hold(&mut self, what: &str) -> Result<()> {
        for (_, note) in read_notes(&notes_folder())? {
            if note.run != self.note.run && note.run.lives() && note.holds.iter().any(|held| held == what) {
                bail!(
                    "{what} is in use by `cargo xtask {}` (process {}); `cargo xtask down` ends that one",
                    note.run.name,
                    note.run.pid
                );
            }
        }
        self.note.holds.push(what.to_owned());
        self.write()
    }

    /// Whether a process of this run has ended by itself; its name.
    pub fn lost(&self) -> Option<&str> {
        self.note
            .processes
            .iter()
            .find(|process| !process.lives())
            .map(|process| process.name.as_str())
    }

    /// Ends the processes that lead the given names, and takes them off the record.
    pub fn end_some(&mut self, names: &[&str], grace: Duration) -> Result<()> {
        let (ending, staying) = std::mem::take(&mut self.note.processes)
            .into_iter()
            .partition::<Vec<_>, _>(|process| names.contains(&process.name.as_str()));
        process::end(&ending, grace, &self.signals);
        self.note.processes = staying;
        self.write()
    }

    fn write(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.note).context("a note is plain data")?;
        // Whole or not at all: `down` may read at any moment.
        let draft = self.file.with_extension("draft");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &self.file))
            .with_context(|| format!("can't write {}", self.file.display()))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        clear(&self.note, &self.file, &self.signals);
    }
}

/// Ends every run of this checkout, and what runs that were killed have left.
pub fn down() -> Result<ExitCode> {
    let signals = Signals::default();
    let notes = read_notes(&notes_folder())?;
    if notes.is_empty() {
        eprintln!("nothing to end: no run of this checkout has left anything");
    }
    for (file, note) in notes {
        if note.run.lives() {
            eprintln!("ending `cargo xtask {}` (process {})", note.run.name, note.run.pid);
            process::end(std::slice::from_ref(&note.run), RUN_GRACE, &signals);
        }
        // Whatever the run did not end itself: it was killed, or it did not come to it.
        if file.exists() {
            eprintln!(
                "ending what `cargo xtask {}` (process {}) has left",
                note.run.name, note.run.pid
            );
            clear(&note, &file, &signals);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn clear(note: &Note, file: &Path, signals: &Signals) {
    process::end(&note.processes, SERVERS_GRACE, signals);
    let mut clean = true;
    for project in &note.projects {
        if let Err(error) = project.end() {
            eprintln!("warning: {error:#}");
            clean = false;
        }
    }
    for folder in &note.folders {
        if let Err(error) = fs::remove_dir_all(folder) {
            let gone = error.kind() == std::io::ErrorKind::NotFound;
            if !gone {
                eprintln!("warning: can't remove {}: {error}", folder.display());
            }
            clean &= gone;
        }
    }
    // The note stays while something does, so that the next `down` tries again.
    if clean {
        let _ = fs::remove_file(file);
    }
}

fn notes_folder() -> PathBuf {
    workspace::state().join("runs")
}

fn read_notes(folder: &Path) -> Result<Vec<(PathBuf, Note)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("can't read {}", folder.display())),
    };
    let mut notes = Vec::new();
    for entry in entries {
        let file = entry.context("can't read the notes of earlier runs")?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            let Ok(text) = fs::read(&file) else { continue };
            let note = serde_json::from_slice(&text)
                .with_context(|| format!("{} is not a note of a run; look at it, then delete it", file.display()))?;
            notes.push((file, note));
        }
    }
    Ok(notes)
}
