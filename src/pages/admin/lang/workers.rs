//! Russian for the workers.

/// English and Russian, sorted by the English.
pub(super) const RUSSIAN: super::Table = &[
    (
        "A command waits for requests in hand, at most 15 seconds, and this page then says how it ended. No request is lost.",
        "Команда ждёт запросы, которые уже в работе, не дольше 15 секунд, после чего эта страница скажет, чем кончилось. Ни один запрос не теряется.",
    ),
    (
        "A new one takes its number at once, and the old one finishes what it holds.",
        "Новый воркер сразу занимает его номер, прежний заканчивает начатое.",
    ),
    ("Another number of workers", "Другое число воркеров"),
    ("Change the number", "Изменить число"),
    ("Drain", "Вывести"),
    ("Drain worker {id}", "Вывести воркер {id}"),
    ("Enable", "Включить"),
    ("Enable worker {id}", "Включить воркер {id}"),
    (
        "It is the last one that takes requests, so it is not drained: the page would be gone. Add a worker first, or restart this one.",
        "Он последний, кто берёт запросы, поэтому вывести его нельзя: страница пропала бы. Сначала добавьте воркер или перезапустите этот.",
    ),
    (
        "It stays so until it is enabled, or the process starts anew.",
        "Так и останется, пока его не включат или процесс не запустится заново.",
    ),
    (
        "It takes no more requests and finishes those that it holds; the others take over.",
        "Он перестанет брать запросы и закончит начатые; остальные возьмут на себя его долю.",
    ),
    ("It takes requests again.", "Он снова будет брать запросы."),
    ("Requests in hand", "Запросов в работе"),
    ("Restart", "Перезапустить"),
    ("Restart worker {id}", "Перезапустить воркер {id}"),
    (
        "So many until the next reload or restart, which brings back the setting",
        "Столько их будет до следующей перезагрузки или перезапуска, когда вернётся настройка",
    ),
    ("The numbers could not be read:", "Прочитать числа не удалось:"),
    ("Those that are too many finish what they hold first.", "Лишние сначала закончат начатое."),
    ("Worker {id}", "Воркер {id}"),
    ("Workers that take requests", "Воркеры, берущие запросы"),
    ("all workers", "все воркеры"),
    ("most in one", "самый занятый"),
];
