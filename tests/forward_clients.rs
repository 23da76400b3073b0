//! Logs sent by programs that others wrote for the forward protocol.
//!
//! Needs a `python3` with PyPI's `fluent-logger`, the one that `VITRINE_PYTHON` names or else
//! the one in the path. Without it the test says that it skips, unless `VITRINE_REQUIRE` names
//! `fluent.sender`: then that is a failure.

use std::process::Command;

use crate::forward::{start_on, wait_for_lines};
use crate::harness::{Folders, run};
use crate::stack::python_with;

/// Sends events as an owner's program does, and through the standard library's `logging`.
const SENDER: &str = r#"
import logging, sys
from fluent import handler, sender
host, port = sys.argv[1].rsplit(":", 1)
for nanos in (False, True):
    logger = sender.FluentSender("python", host=host, port=int(port), nanosecond_precision=nanos)
    assert logger.emit("follow", {"message": f"fluent-logger nanos={nanos}", "to": "userB"}), logger.last_error
    logger.close()
to_logging = handler.FluentHandler("python.logging", host=host, port=int(port))
fields = {"level": "%(levelname)s", "where": "%(module)s"}
to_logging.setFormatter(handler.FluentRecordFormatter(fields))
log = logging.getLogger("shop")
log.addHandler(to_logging)
log.warning("fluent-logger by logging")
to_logging.close()
"#;

#[test]
fn fluent_logger_of_pypi_is_understood() {
    let Some(python) = python_with("fluent.sender") else { return };
    let (vitrine, address) = start_on(Folders::new());
    let mut command = Command::new(python);
    command.args(["-c", SENDER, &address]);
    let ended = run(command);
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines = ["nanos=False", "nanos=True", "by logging"].map(|line| format!("fluent-logger {line}"));
    wait_for_lines(&vitrine, "fluent-logger", &lines);
    let by_logging = vitrine.logged("by+logging").concat();
    assert!(by_logging.contains("python.logging") && by_logging.contains("warn"), "{by_logging}");
    let by_sender = vitrine.logged("nanos").concat();
    assert!(by_sender.contains("python.follow") && by_sender.contains("userB"), "{by_sender}");
}
