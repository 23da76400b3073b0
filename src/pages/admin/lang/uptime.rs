//! Russian for the public status page.

/// English and Russian, sorted by the English.
pub(super) const RUSSIAN: super::Table = &[
    ("Day (UTC)", "День (UTC)"),
    ("Day by day", "По дням"),
    ("Down in the last 7 days", "Недоступность за последние 7 дней"),
    ("In {n} days", "За {n} день|За {n} дня|За {n} дней"),
    ("Not for a minute.", "Ни минуты."),
    (
        "Nothing is on record yet: the first sample comes with the first minute.",
        "Пока ничего не записано: первый замер придёт в первую минуту.",
    ),
    ("On record since", "Запись ведётся с"),
    (
        "Share of each day in which the site was up; the same as a table below",
        "Доля каждого дня, когда сайт работал; ниже то же таблицей",
    ),
    ("Status", "Состояние"),
    ("The site is up.", "Сайт работает."),
    (
        "The site is up; some visitors got errors in the last hour.",
        "Сайт работает; за последний час часть посетителей видела ошибки.",
    ),
    ("To the site", "На сайт"),
    ("Up", "Доступен"),
    ("of the time up", "времени доступен"),
];
