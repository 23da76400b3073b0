//! The units that are shipped, embedded.

/// Begins each unit of ours, so that one of somebody else is never overwritten or removed.
const MARK: &str = "# Written by `vitrine install`";

/// The service, by which everything else is named.
pub const SERVICE: &str = "vitrine.service";

/// Goes back to the last good release once the service was given up.
pub const ROLLBACK: &str = "vitrine-rollback.service";

/// Holds the port while the service is not there; not enabled by default.
pub const SOCKET: &str = "vitrine.socket";

/// Name and text of each unit.
pub const ALL: [(&str, &str); 3] = [
    (SERVICE, include_str!("../../../assets/systemd/vitrine.service")),
    (ROLLBACK, include_str!("../../../assets/systemd/vitrine-rollback.service")),
    (SOCKET, include_str!("../../../assets/systemd/vitrine.socket")),
];

/// Links that `systemctl enable` makes, below the folder of units.
pub(super) const ENABLED: [&str; 2] =
    ["multi-user.target.wants/vitrine.service", "sockets.target.wants/vitrine.socket"];

/// Whether a unit's text is one of ours, of this version or another.
pub(super) fn is_ours(text: &str) -> bool {
    text.starts_with(MARK)
}
