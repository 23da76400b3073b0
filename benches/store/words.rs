//! The vocabulary of the generated lines.

/// Stems of ordinary words; with [`ENDINGS`] they make a vocabulary of about 1,500.
#[rustfmt::skip]
pub const STEMS: &[&str] = &[
    "connection", "request", "order", "user", "worker", "queue", "timeout", "retry", "cache", "payment",
    "session", "token", "invoice", "message", "client", "server", "batch", "index", "record", "update",
    "delete", "insert", "commit", "shard", "replica", "leader", "follower", "snapshot", "segment", "upload",
    "download", "image", "email", "address", "customer", "product", "basket", "checkout", "shipment",
    "refund", "account", "balance", "transfer", "currency", "report", "schedule", "trigger", "event",
    "handler", "stream", "buffer", "socket", "packet", "header", "payload", "schema", "field", "value",
    "number", "limit", "quota", "budget", "window", "bucket", "object", "folder", "archive", "backup",
    "restore", "migrate", "deploy", "release", "version", "feature", "setting", "config", "secret",
    "certificate", "signature", "key", "role", "permission", "policy", "rule", "filter", "query", "result",
    "page", "cursor", "sort", "group", "merge", "split", "join", "range", "scan", "search", "match",
    "score", "rank", "model", "train", "predict", "label", "sample", "metric", "counter", "gauge", "alert",
    "monitor", "probe", "health", "status", "state", "phase", "step", "stage", "task", "job", "plan",
    "lock", "lease", "claim", "grant", "refuse", "accept", "reject", "forward", "redirect", "resolve",
    "lookup", "domain", "zone", "route", "gateway", "proxy", "tunnel", "bridge", "link", "peer", "cluster",
    "node", "volume", "disk", "block", "sector", "file", "path", "mount", "space", "memory", "heap",
    "stack", "thread", "process", "signal", "fault", "panic", "crash", "dump", "trace", "span", "parent",
    "child", "root", "branch", "leaf", "tree", "graph", "edge", "input", "output", "reader", "writer",
    "parser", "format", "encode", "decode", "compress", "expand", "start", "stop", "pause", "resume",
    "cancel", "abort", "finish", "begin", "close", "open", "fast", "slow", "warm", "cold", "empty", "full",
    "ready", "idle", "busy", "stale", "remote", "local", "public", "private", "internal", "external",
    "primary", "secondary", "temporary", "permanent",
];

/// What a stem may end in.
pub const ENDINGS: &[&str] = &["", "s", "ed", "ing", "er", "able", "ment"];

/// Small words between the others.
pub const SMALL: &[&str] =
    &["for", "of", "in", "to", "with", "from", "after", "by", "on", "and", "not", "was"];

/// Modules that log.
#[rustfmt::skip]
pub const MODULES: &[&str] = &[
    "shop::checkout", "shop::basket", "shop::search", "auth::session", "auth::token", "billing::invoice",
    "billing::refund", "mail::queue", "mail::render", "storage::upload", "storage::gc", "index::merge",
    "index::query", "http::client", "http::server", "scheduler", "cache::remote", "db::pool", "db::migrate",
    "worker::supervisor",
];

/// Sections of a site; pages hang below them.
#[rustfmt::skip]
pub const SECTIONS: &[&str] = &[
    "blog", "docs", "projects", "about", "static/js", "static/css", "static/img", "api/v1/items",
    "api/v1/users", "tags", "feed", "search", "download", "talks", "contact",
];

/// Where visitors come from; the first means that they do not say.
pub const REFERRERS: &[&str] = &[
    "-",
    "https://www.google.com/",
    "https://example.org/",
    "https://duckduckgo.com/",
    "https://www.bing.com/",
    "https://news.example.com/item?id=41872093",
    "https://github.com/",
    "https://www.linkedin.com/",
    "https://lobste.rs/",
    "https://example.org/blog/",
    "https://t.co/a7Xk2LmPq9",
    "https://www.reddit.com/",
];

/// What visitors and robots call themselves.
pub const USER_AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
    "curl/8.5.0",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "Go-http-client/2.0",
    "Mozilla/5.0 (Linux; Android 15; SM-S938B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "python-requests/2.32.3",
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 14 subscribers; )",
    "Uptime-Kuma/2.0.2",
    "Mozilla/5.0 zgrab/0.x",
];

/// Names that are tried, or may, at a login.
#[rustfmt::skip]
pub const USERS: &[&str] = &[
    "root", "admin", "deploy", "ubuntu", "test", "postgres", "oracle", "git", "user", "jenkins", "ftpuser",
    "anna", "debian", "hadoop", "www-data", "backup",
];

/// What the programs of a system write: what one process says one after the other, the
/// frequent first. `{…}` names what is put in; all but `{n}` and `{small}` stay the same within one.
pub const SYSTEM: &[&[&str]] = &[
    &[
        "sshd[{pid}]: Invalid user {user} from {ip} port {port}",
        "sshd[{pid}]: pam_unix(sshd:auth): check pass; user unknown",
        "sshd[{pid}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}",
        "sshd[{pid}]: Failed password for invalid user {user} from {ip} port {port} ssh2",
        "sshd[{pid}]: Received disconnect from {ip} port {port}:11: Bye Bye [preauth]",
        "sshd[{pid}]: Disconnected from invalid user {user} {ip} port {port} [preauth]",
    ],
    &[
        "kernel: [UFW BLOCK] IN=eth0 OUT= MAC=02:fc:00:00:00:01:02:fc:00:00:00:05:08:00 SRC={ip} DST=10.0.3.15 LEN=40 TOS=0x00 PREC=0x00 TTL={small} ID={n} PROTO=TCP SPT={port} DPT={n} WINDOW=1024 RES=0x00 SYN URGP=0",
    ],
    &[
        "CRON[{pid}]: pam_unix(cron:session): session opened for user {user}(uid=0) by (uid=0)",
        "CRON[{pid}]: ({user}) CMD (/usr/local/bin/collect --quiet --limit {n})",
        "CRON[{pid}]: pam_unix(cron:session): session closed for user {user}",
    ],
    &[
        "sshd[{pid}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user=root",
        "sshd[{pid}]: Failed password for root from {ip} port {port} ssh2",
        "sshd[{pid}]: Failed password for root from {ip} port {port} ssh2",
        "sshd[{pid}]: Failed password for root from {ip} port {port} ssh2",
        "sshd[{pid}]: Connection closed by authenticating user root {ip} port {port} [preauth]",
        "sshd[{pid}]: PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user=root",
    ],
    &[
        "postfix/smtpd[{pid}]: connect from unknown[{ip}]",
        "postfix/smtpd[{pid}]: warning: unknown[{ip}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        "postfix/smtpd[{pid}]: lost connection after AUTH from unknown[{ip}]",
        "postfix/smtpd[{pid}]: disconnect from unknown[{ip}] ehlo=1 auth=0/1 commands=1/2",
    ],
    &[
        "systemd[1]: Starting logrotate.service - Rotate log files...",
        "systemd[1]: logrotate.service: Deactivated successfully.",
        "systemd[1]: Finished logrotate.service - Rotate log files.",
    ],
    &[
        "postfix/smtpd[{pid}]: {queue}: client=mail.example.org[{ip}]",
        "postfix/cleanup[{pid}]: {queue}: message-id=<{n}.{queue}@mail.example.org>",
        "postfix/qmgr[812]: {queue}: from=<{user}@example.org>, size={n}, nrcpt=1 (queue active)",
        "postfix/local[{pid}]: {queue}: to=<{user}@example.com>, relay=local, delay=0.{small}, delays=0.{small}/0.01/0/0.{small}, dsn=2.0.0, status=sent (delivered to mailbox)",
        "postfix/qmgr[812]: {queue}: removed",
    ],
    &[
        "sshd[{pid}]: Accepted publickey for deploy from {ip} port {port} ssh2: ED25519 SHA256:4o1m0bq3LhVYx2mYvP8mQeTtJ9kUuYb8sX7fZtC2w3E",
        "sshd[{pid}]: pam_unix(sshd:session): session opened for user deploy(uid=1001) by (uid=0)",
        "systemd-logind[611]: New session {n} of user deploy.",
        "sudo:   deploy : TTY=pts/0 ; PWD=/home/deploy ; USER=root ; COMMAND=/usr/bin/systemctl restart worker-{small}",
        "sshd[{pid}]: pam_unix(sshd:session): session closed for user deploy",
        "systemd-logind[611]: Session {n} logged out. Waiting for processes to exit.",
    ],
    &[
        "dhclient[702]: DHCPREQUEST for 10.0.3.15 on eth0 to 10.0.3.2 port 67",
        "dhclient[702]: DHCPACK of 10.0.3.15 from 10.0.3.2",
        "dhclient[702]: bound to 10.0.3.15 -- renewal in {n} seconds.",
    ],
    &[
        "containerd[740]: time=\"2026-06-01T00:00:00Z\" level=info msg=\"shim disconnected\" id={container} namespace=moby",
        "dockerd[901]: time=\"2026-06-01T00:00:00Z\" level=info msg=\"ignoring event\" container={container} module=libcontainerd namespace=moby topic=/tasks/delete type=\"*events.TaskDelete\"",
        "kernel: docker0: port 1(veth{pid}) entered disabled state",
    ],
    &[
        "named[655]: client @0x7f1c34000b68 {ip}#{port} (example.org): query (cache) 'example.org/ANY/IN' denied",
    ],
    &["systemd-resolved[588]: Using degraded feature set UDP instead of UDP+EDNS0 for DNS server 10.0.3.3."],
    &["kernel: TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies."],
    &[
        "smartd[690]: Device: /dev/sda [SAT], SMART Usage Attribute: 194 Temperature_Celsius changed from {small} to {small}",
    ],
    &[
        "kernel: java invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0",
        "kernel: Out of memory: Killed process {pid} (java) total-vm:{n}kB, anon-rss:{n}kB, file-rss:0kB, shmem-rss:0kB, UID:1001",
        "systemd[1]: worker.service: A process of this unit has been killed by the OOM killer.",
    ],
];
