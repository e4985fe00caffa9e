//! Which files of a root are read.
//!
//! What has a place of its own and a wrong name is refused, not passed over: a forbidding policy in a file
//! that nobody reads would forbid nothing.

/// What a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Holds `governance/` and `domains/<domain>/`.
    Mesh,
    /// The governance folder.
    Governance,
    /// A domain's folder.
    Domain,
}

/// What to do with a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// Read the file.
    Read,
    /// Look into the folder.
    Enter,
    /// Pass it over.
    Ignore,
    /// It lies where it cannot be meant: say so.
    Refuse(&'static str),
}

/// What to do with the entry at `path` (its parts below the root).
pub(super) fn interest(kind: Kind, path: &[&str], is_folder: bool) -> Interest {
    let Some(name) = path.last() else { return Interest::Enter };
    if name.starts_with('.') || name.ends_with('~') {
        return Interest::Ignore;
    }
    match kind {
        Kind::Mesh => match path {
            ["governance" | "domains"] if is_folder => Interest::Enter,
            ["governance", rest @ ..] => governance(rest, is_folder),
            ["domains", _] if is_folder => Interest::Enter,
            ["domains", _, rest @ ..] => domain(rest, is_folder),
            _ => Interest::Ignore,
        },
        Kind::Governance => governance(path, is_folder),
        Kind::Domain => domain(path, is_folder),
    }
}

fn governance(path: &[&str], is_folder: bool) -> Interest {
    const FILES: &str = "governance holds policies (*.cedar), principals.toml, standards.toml and the folder ceilings/";
    match path {
        ["tests"] if is_folder => Interest::Ignore,
        ["ceilings"] if is_folder => Interest::Enter,
        ["principals.toml" | "standards.toml"] if !is_folder => Interest::Read,
        [name] | ["ceilings", name] if !is_folder && name.ends_with(".cedar") => Interest::Read,
        [name] | ["ceilings", name] if !is_folder && is_note(name) => Interest::Ignore,
        _ => Interest::Refuse(FILES),
    }
}

fn domain(path: &[&str], is_folder: bool) -> Interest {
    match path {
        ["domain.toml"] if !is_folder => Interest::Read,
        ["products" | "policies" | "tests"] if is_folder => Interest::Enter,
        // Data and notes: not the mesh's.
        [_] => Interest::Ignore,
        ["products", name] if !is_folder && is_contract(name) => Interest::Read,
        ["policies", name] if !is_folder && name.ends_with(".cedar") => Interest::Read,
        ["tests", name] if !is_folder && is_test(name) => Interest::Read,
        [_, name] if !is_folder && is_note(name) => Interest::Ignore,
        ["tests", ..] => Interest::Refuse("tests/ holds policy tests only, each a file *.yaml"),
        ["products", ..] => Interest::Refuse("products/ holds contracts only, each a file *.odcs.yaml"),
        _ => Interest::Refuse("policies/ holds policies only, each a file *.cedar"),
    }
}

fn is_contract(name: &str) -> bool {
    name.ends_with(".odcs.yaml") || name.ends_with(".odcs.yml")
}

fn is_test(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

fn is_note(name: &str) -> bool {
    name.ends_with(".md") || name.ends_with(".txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_in_its_place_is_refused() {
        let of = |path: &str| interest(Kind::Mesh, &path.split('/').collect::<Vec<_>>(), path.ends_with("dir"));
        for path in [
            "governance/base.cedar",
            "governance/principals.toml",
            "governance/ceilings/all.cedar",
            "domains/sales/domain.toml",
            "domains/sales/products/orders.odcs.yaml",
            "domains/sales/policies/p.cedar",
            "domains/sales/tests/access.yaml",
        ] {
            assert_eq!(of(path), Interest::Read, "{path}");
        }
        for path in [
            "governance/base.ceder",
            "governance/policies_dir",
            "governance/ceilings/deeper_dir",
            "domains/sales/products/orders.yaml",
            "domains/sales/policies/old_dir",
            "domains/sales/tests/access.ymal",
        ] {
            assert!(matches!(of(path), Interest::Refuse(_)), "{path}");
        }
        for path in
            ["README.md", "governance/README.md", "domains/sales/data_dir", "domains/sales/products/.orders.swp"]
        {
            assert_eq!(of(path), Interest::Ignore, "{path}");
        }
    }
}
