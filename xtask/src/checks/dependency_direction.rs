//! Crates know each other in one direction only.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::dependency_rules::{CRATES, CrateRule, REACHES, ReachRule};
use super::{Finding, report};
use crate::process;

/// Packages and their normal dependencies: no dev-dependencies, no build-dependencies.
///
/// The keys are cargo's package ids, since two versions of a package have different dependencies.
#[derive(Debug, Default)]
struct Graph {
    names: BTreeMap<String, String>,
    dependencies: BTreeMap<String, BTreeSet<String>>,
    workspace: BTreeSet<String>,
}

/// Compares the workspace's dependencies with the table in [`super::dependency_rules`].
///
/// # Errors
///
/// When a crate depends on what it must not know, is not in the table, or `Cargo.lock` is out of date.
pub(crate) fn check(root: &Path) -> Result<()> {
    let output = process::run_quietly(process::cargo(root).args(["metadata", "--format-version", "1", "--locked"]))
        .context("if Cargo.lock needs an update, `cargo metadata > /dev/null` makes it; commit it with the change")?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("while reading what `cargo metadata` wrote")?;
    let graph = read_graph(&metadata).context("`cargo metadata` wrote something unexpected")?;
    report(&violations(&graph, CRATES, REACHES))
}

/// Reads the resolved dependencies; `None` if a part is not where it should be.
fn read_graph(metadata: &Value) -> Option<Graph> {
    let mut graph = Graph::default();
    for package in metadata["packages"].as_array()? {
        graph.names.insert(package["id"].as_str()?.to_owned(), package["name"].as_str()?.to_owned());
    }
    for member in metadata["workspace_members"].as_array()? {
        graph.workspace.insert(member.as_str()?.to_owned());
    }
    for node in metadata["resolve"]["nodes"].as_array()? {
        let mut dependencies = BTreeSet::new();
        for dependency in node["deps"].as_array()? {
            // A kind of null is a normal dependency.
            if dependency["dep_kinds"].as_array()?.iter().any(|kind| kind["kind"].is_null()) {
                dependencies.insert(dependency["pkg"].as_str()?.to_owned());
            }
        }
        graph.dependencies.insert(node["id"].as_str()?.to_owned(), dependencies);
    }
    Some(graph)
}

fn violations(graph: &Graph, crates: &[CrateRule], reaches: &[ReachRule]) -> Vec<Finding> {
    graph
        .workspace
        .iter()
        .flat_map(|id| {
            let mut findings = direct_violations(graph, id, crates);
            findings.extend(reaches.iter().filter_map(|rule| reach_violation(graph, id, rule)));
            findings
        })
        .collect()
}

/// Finds the edges between two crates of the workspace that the table does not have.
fn direct_violations(graph: &Graph, id: &str, crates: &[CrateRule]) -> Vec<Finding> {
    let name = graph.name(id);
    let Some(rule) = crates.iter().find(|rule| rule.package == name) else {
        return vec![Finding::new(
            name,
            "is not in the table yet; give it a line with what it may use and why, in xtask/src/checks/dependency_rules.rs",
        )];
    };
    graph
        .dependencies_of(id)
        .filter(|dependency| graph.workspace.contains(*dependency))
        .map(|dependency| graph.name(dependency))
        .filter(|dependency| !rule.may_use.contains(dependency))
        .map(|dependency| Finding::new(name, format!("must not depend on {dependency}: {}", rule.reason)))
        .collect()
}

/// Finds the shortest way to a package that the crate must not reach, or must not name itself.
fn reach_violation(graph: &Graph, id: &str, rule: &ReachRule) -> Option<Finding> {
    let name = graph.name(id);
    if rule.direct.contains(&name) {
        return None;
    }
    let way = graph.shortest_way(id, rule.dependency)?;
    let is_direct = way.len() == 2;
    if rule.indirect.contains(&name) && !is_direct {
        return None;
    }
    Some(Finding::new(
        name,
        format!(
            "must not {} {} ({}): {}",
            if is_direct { "depend on" } else { "reach" },
            rule.dependency,
            way.join(" -> "),
            rule.reason
        ),
    ))
}

impl Graph {
    fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.names.get(id).map_or(id, String::as_str)
    }

    fn dependencies_of(&self, id: &str) -> impl Iterator<Item = &str> {
        self.dependencies.get(id).into_iter().flatten().map(String::as_str)
    }

    /// Names the packages on the shortest way, both ends included; `None` if there is none.
    fn shortest_way(&self, start: &str, wanted_name: &str) -> Option<Vec<&str>> {
        let (start, _) = self.dependencies.get_key_value(start)?;
        let mut came_from: BTreeMap<&str, Option<&str>> = BTreeMap::from([(start.as_str(), None)]);
        let mut waiting = VecDeque::from([start.as_str()]);
        while let Some(current) = waiting.pop_front() {
            if current != start && self.name(current) == wanted_name {
                let mut way: Vec<&str> =
                    std::iter::successors(Some(current), |id| came_from[id]).map(|id| self.name(id)).collect();
                way.reverse();
                return Some(way);
            }
            for dependency in self.dependencies_of(current) {
                if !came_from.contains_key(dependency) {
                    came_from.insert(dependency, Some(current));
                    waiting.push_back(dependency);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a graph from edges; every package whose name begins with `engawa-` is in the workspace.
    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            for id in [from, to] {
                graph.names.insert((*id).to_owned(), (*id).to_owned());
                graph.dependencies.entry((*id).to_owned()).or_default();
                if id.starts_with("engawa-") {
                    graph.workspace.insert((*id).to_owned());
                }
            }
            graph.dependencies.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    }

    fn found(edges: &[(&str, &str)]) -> Vec<String> {
        violations(&graph(edges), CRATES, REACHES).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_designed_direction_passes() {
        let edges = [
            ("engawa-desktop", "tauri"),
            ("engawa-desktop", "engawa-chat"),
            ("engawa-desktop", "engawa-server"),
            ("engawa-desktop", "engawa-markup"),
            ("engawa-desktop", "engawa-engine"),
            ("engawa-terminal", "engawa-chat"),
            ("engawa-terminal", "engawa-server"),
            ("engawa-terminal", "engawa-engine"),
            ("engawa-bench", "engawa-engine"),
            ("engawa-server", "axum"),
            ("engawa-server", "engawa-chat"),
            ("engawa-chat", "engawa-engine-client"),
            ("engawa-chat", "engawa-remote"),
            ("engawa-chat", "engawa-store"),
            ("engawa-chat", "engawa-catalog"),
            ("engawa-engine-client", "engawa-engine-protocol"),
            ("engawa-engine", "engawa-engine-protocol"),
            ("engawa-engine", "llama-cpp-2"),
            ("engawa-engine", "llama-cpp-sys-2"),
            ("llama-cpp-2", "llama-cpp-sys-2"),
        ];
        assert_eq!(found(&edges), Vec::<String>::new());
    }

    #[test]
    fn an_edge_against_the_direction_is_caught() {
        assert_eq!(
            found(&[("engawa-store", "engawa-chat")]),
            ["engawa-store: must not depend on engawa-chat: chats stay readable whatever happens to the rest"]
        );
    }

    #[test]
    fn a_forbidden_package_is_caught_behind_another_with_the_way_to_it() {
        let edges = [("engawa-catalog", "gguf-reader"), ("gguf-reader", "llama-cpp-sys-2")];
        assert_eq!(
            found(&edges),
            ["engawa-catalog: must not reach llama-cpp-sys-2 (engawa-catalog -> gguf-reader -> llama-cpp-sys-2): \
                 llama.cpp may abort its process, so only the engine's process may contain it"]
        );
    }

    #[test]
    fn a_shell_reaches_llama_only_through_the_engine() {
        let edges = [("engawa-desktop", "llama-cpp-2")];
        assert_eq!(found(&edges).len(), 1, "it must not name llama-cpp-2 itself");
    }

    #[test]
    fn no_library_sees_the_window_or_http() {
        for package in ["engawa-chat", "engawa-store", "engawa-catalog", "engawa-remote", "engawa-markup"] {
            for dependency in ["tauri", "axum", "llama-cpp-2", "llama-cpp-sys-2"] {
                assert_eq!(found(&[(package, dependency)]).len(), 1, "{package} -> {dependency}");
            }
        }
        assert_eq!(found(&[("engawa-server", "tauri")]).len(), 1);
    }

    #[test]
    fn nothing_but_tests_and_measurements_uses_the_testkit() {
        let users = ["engawa-testkit", "engawa-bench"];
        for package in CRATES.iter().map(|rule| rule.package).filter(|package| !users.contains(package)) {
            let graph = {
                let mut graph = graph(&[(package, "engawa-testkit")]);
                graph.workspace.insert(package.to_owned());
                graph
            };
            assert_eq!(violations(&graph, CRATES, REACHES).len(), 1, "{package} -> engawa-testkit");
        }
    }

    #[test]
    fn a_crate_without_a_line_in_the_table_is_named() {
        let findings = found(&[("engawa-surprise", "serde")]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("engawa-surprise: is not in the table yet"), "{findings:?}");
    }

    #[test]
    fn only_normal_dependencies_are_read() {
        let metadata = serde_json::json!({
            "packages": [
                {"id": "a 1", "name": "a"}, {"id": "b 1", "name": "b"},
                {"id": "c 1", "name": "c"}, {"id": "d 1", "name": "d"}
            ],
            "workspace_members": ["a 1"],
            "resolve": {"nodes": [{"id": "a 1", "deps": [
                {"pkg": "b 1", "dep_kinds": [{"kind": null, "target": null}]},
                {"pkg": "c 1", "dep_kinds": [{"kind": "dev", "target": null}, {"kind": "build", "target": null}]},
                {"pkg": "d 1", "dep_kinds": [{"kind": "dev", "target": null}, {"kind": null, "target": "cfg(unix)"}]}
            ]}]}
        });
        let graph = read_graph(&metadata).unwrap();
        assert_eq!(graph.dependencies_of("a 1").collect::<Vec<_>>(), ["b 1", "d 1"]);
    }

    #[test]
    fn the_table_names_only_crates_that_have_a_line() {
        let known: BTreeSet<&str> = CRATES.iter().map(|rule| rule.package).collect();
        assert_eq!(known.len(), CRATES.len(), "each crate has one line");
        let named = CRATES
            .iter()
            .flat_map(|rule| rule.may_use)
            .chain(REACHES.iter().flat_map(|rule| rule.direct.iter().chain(rule.indirect)));
        for name in named {
            assert!(known.contains(name), "{name} has no line of its own");
        }
    }
}
