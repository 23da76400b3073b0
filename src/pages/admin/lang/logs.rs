//! Russian for the logs.

/// English and Russian, sorted by the English.
pub(super) const RUSSIAN: super::Table = &[
    ("Find", "Найти"),
    ("Level", "Уровень"),
    ("Newest lines", "Новейшие строки"),
    ("No line fits.", "Ничего не подошло."),
    (
        "No lines in this time. Every request and every event of the server is logged here: open the CV once.",
        "За это время строк нет. Сюда попадает каждый запрос и каждое событие сервера: откройте резюме один раз.",
    ),
    ("No lines of visitors in this time.", "За это время строк о посетителях нет."),
    ("Older lines", "Более старые строки"),
    ("Probes and admin, too", "Вместе с проверками и админкой"),
    ("Show all lines", "Показать все строки"),
    ("Show probes and admin, too", "Показать и проверки с админкой"),
    (
        "Stopped after {n} lines. A shorter time or a higher level looks further.",
        "Остановлено после {n} строки. Короче время или выше уровень — и поиск пройдёт дальше.|Остановлено после {n} строк. Короче время или выше уровень — и поиск пройдёт дальше.|Остановлено после {n} строк. Короче время или выше уровень — и поиск пройдёт дальше.",
    ),
    ("Text in the line", "Текст в строке"),
    ("The logs cannot be read:", "Логи не читаются:"),
    ("all levels", "все уровни"),
    ("debug and above", "debug и выше"),
    ("error and above", "error и выше"),
    ("info and above", "info и выше"),
    ("or look further back.", "или поищите раньше."),
    ("warn and above", "warn и выше"),
];
