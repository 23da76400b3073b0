//! Russian for what to put into Grafana.

/// English and Russian, sorted by the English.
pub(super) const RUSSIAN: super::Table = &[
    ("A token that reads", "Токен для чтения"),
    (
        "Add another data source, Loki, with the same address, user and password.",
        "Добавьте второй источник данных, Loki, с тем же адресом, пользователем и паролем.",
    ),
    ("By a file", "Файлом"),
    ("By hand", "Вручную"),
    (
        "Grafana needs no password: a token that reads is enough, and is revoked without touching anything else. It is filled in below, once.",
        "Пароль Grafana не нужен: хватит токена для чтения, который можно отозвать, не трогая остального. Он будет подставлен ниже, один раз.",
    ),
    (
        "If Grafana reaches this server by another name, in a network of containers for example, put that in place of",
        "Если Grafana обращается к этому серверу по другому имени, например в сети контейнеров, подставьте его вместо",
    ),
    (
        "In Grafana: Connections, Data sources, Add data source, Prometheus.",
        "В Grafana: Connections, Data sources, Add data source, Prometheus.",
    ),
    ("Make a read token", "Создать токен для чтения"),
    ("Press Save & test.", "Нажмите Save & test."),
    ("Put this into", "Положите это в"),
    (
        "The dashboards in grafana/dashboards of the repository are imported as they are: Dashboards, New, Import.",
        "Дашборды из папки grafana/dashboards репозитория импортируются как есть: Dashboards, New, Import.",
    ),
    (
        "The token {name} is made and stands below, only now: copy what you need.",
        "Токен {name} создан и подставлен ниже, только сейчас: скопируйте, что нужно.",
    ),
    (
        "There are as many tokens as there can be: revoke those that nobody needs.",
        "Токенов уже столько, сколько может быть: отзовите ненужные.",
    ),
    (
        "This page came over plain HTTP from another machine. If Grafana comes the same way, others can read its token: set up HTTPS.",
        "Эта страница пришла по обычному HTTP с другой машины. Если Grafana ходит так же, её токен могут прочитать по дороге: настройте HTTPS.",
    ),
    (
        "This server answers the query APIs of Prometheus and Loki, so Grafana asks it directly, as two data sources.",
        "Этот сервер отвечает на запросы API Prometheus и Loki, поэтому Grafana обращается к нему напрямую, как к двум источникам данных.",
    ),
    (
        "Under Authentication choose Basic authentication. User:",
        "В разделе Authentication выберите Basic authentication. Пользователь:",
    ),
    ("Under Connection, the server's address:", "В разделе Connection — адрес сервера:"),
    ("Under Interval behaviour, the scrape interval:", "В разделе Interval behaviour — scrape interval:"),
    ("and restart Grafana.", "и перезапустите Grafana."),
    ("password: the token,", "пароль — токен,"),
];
