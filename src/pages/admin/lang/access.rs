//! Russian for the page of who may enter.

/// English and Russian, sorted by the English.
pub(super) const RUSSIAN: super::Table = &[
    (
        "A token lasts from 1 to {max} days, or for ever when nothing is said.",
        "Токен действует от 1 до {max} дней, а если срок не указан — бессрочно.",
    ),
    ("A token may read, write, or do everything.", "Токен может читать, писать или делать всё."),
    (
        "A token's name has 1 to {max} letters, digits, spaces and . _ -",
        "Имя токена — от 1 до {max} букв, цифр, пробелов и знаков . _ -",
    ),
    ("Access", "Доступ"),
    (
        "Browsers that are logged in. They end by themselves, with the process, and with the password.",
        "Браузеры, в которых выполнен вход. Сеансы заканчиваются сами по времени, вместе с процессом и при смене пароля.",
    ),
    ("Change the password", "Сменить пароль"),
    ("Current password", "Текущий пароль"),
    ("Days, or nothing for ever", "Дней; пусто — бессрочно"),
    ("End", "Завершить"),
    ("End all other sessions", "Завершить все остальные сеансы"),
    ("End session {number}", "Завершить сеанс {number}"),
    ("End them", "Завершить их"),
    (
        "Every other browser has to log in again. This one stays.",
        "Во всех остальных браузерах придётся войти заново. Этот сеанс останется.",
    ),
    (
        "Every session ends with the old one, but for yours. Tokens stay.",
        "Вместе со старым паролем закончатся все сеансы, кроме вашего. Токены останутся.",
    ),
    (
        "For programs, in place of the password: as a bearer token, or as the password of any user where a program knows only Basic auth.",
        "Для программ, вместо пароля: как bearer-токен или, если программа умеет только Basic auth, как пароль любого пользователя.",
    ),
    ("Make a token", "Создать токен"),
    ("May", "Может"),
    ("Name", "Имя"),
    ("New password", "Новый пароль"),
    ("Nothing was changed: {fault}", "Ничего не изменено: {fault}"),
    (
        "Programs that use it are refused from then on. It cannot be taken back.",
        "Программы с этим токеном сразу получат отказ. Отменить это нельзя.",
    ),
    ("Revoke it", "Отозвать его"),
    ("Revoke the token {name}", "Отозвать токен {name}"),
    ("Session {number} has ended.", "Сеанс {number} завершён."),
    ("Sessions", "Сеансы"),
    ("That is not the current password. Nothing was changed.", "Это не текущий пароль. Ничего не изменено."),
    (
        "The new password has {length} bytes, between {min} and {max} are accepted.",
        "В новом пароле {length} байт, а нужно от {min} до {max}.",
    ),
    ("The new password was not typed the same twice.", "Новый пароль оба раза введён по-разному."),
    (
        "The password comes from VITRINE_ADMIN_PASSWORD: change it there and restart.",
        "Пароль задан переменной VITRINE_ADMIN_PASSWORD: смените его там и перезапустите vitrine.",
    ),
    (
        "The password is changed, and every other session has ended. Tokens still open what they did.",
        "Пароль сменён, все остальные сеансы завершены. Токены действуют как прежде.",
    ),
    ("The password was not changed: {fault}", "Пароль не сменён: {fault}"),
    ("The same again", "Ещё раз"),
    (
        "The token {name} is made. It is shown only now: copy it.",
        "Токен {name} создан. Он показан только сейчас: скопируйте его.",
    ),
    ("The token {name} is revoked.", "Токен {name} отозван."),
    (
        "There are {max} tokens, the most there can be: revoke those that nobody needs.",
        "Токенов уже {max}, больше нельзя: отзовите ненужные.",
    ),
    (
        "There is a token {name} already: revoke it, or take another name.",
        "Токен {name} уже есть: отзовите его или выберите другое имя.",
    ),
    ("There is no such session any more.", "Такого сеанса уже нет."),
    ("There is no such token any more.", "Такого токена уже нет."),
    (
        "There is no token. Grafana needs one that reads; whatever sends logs or metrics here, one that writes.",
        "Токенов нет. Для Grafana нужен читающий, для программ, которые шлют сюда логи и метрики, — пишущий.",
    ),
    ("Tokens", "Токены"),
    ("asks for metrics and logs", "запрашивает метрики и логи"),
    ("does everything but log in here", "делает всё, кроме входа сюда"),
    ("expired", "истёк"),
    ("from", "с адреса"),
    ("last used", "последний раз"),
    ("logged in", "вход"),
    ("made", "создан"),
    ("never used", "ещё не использован"),
    ("sends metrics, logs and traces", "присылает метрики, логи и трейсы"),
    ("session {number}", "сеанс {number}"),
    ("this one", "этот"),
    ("unknown browser", "неизвестный браузер"),
    (
        "{n} other sessions have ended.",
        "Завершён {n} другой сеанс.|Завершено {n} других сеанса.|Завершено {n} других сеансов.",
    ),
];
