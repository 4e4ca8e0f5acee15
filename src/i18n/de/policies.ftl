# Die Texte der `@message`s von Richtlinien: `policy-message-` und die Nachricht mit Bindestrichen statt Punkten. Sie stehen auf
# den Seiten für Nachfragen und Absagen. Sie sagen, was man tun kann, und nichts, was Angreifern hilft.

policy-message-account-inactive = Dieses Konto kann derzeit nicht benutzt werden.
policy-message-app-pilot = Diese App wird gerade von wenigen Personen erprobt und ist noch nicht für alle geöffnet.
policy-message-account-pending = Ihr Konto ist noch nicht eingerichtet. Öffnen Sie den Link in Ihrer Willkommens-E-Mail.
policy-message-second-factor-required = Diese App verlangt neben dem Passwort eine zweite Bestätigung.
policy-message-network-not-allowed = Diese App lässt sich nur aus den Netzen Ihrer Organisation öffnen. Verbinden Sie sich mit dem Büronetz oder dem VPN und versuchen Sie es dann erneut.
policy-message-network-blocked = Anmeldungen aus diesem Netz sind gesperrt.
policy-message-network-country = Anmeldungen aus diesem Land sind gesperrt.
policy-message-network-anonymous = Wir können nicht ausschließen, dass Sie über ein anonymes Netz wie Tor oder ein öffentliches VPN kommen.
policy-message-network-abroad = Wir erkennen diesen Browser nicht und können nicht feststellen, dass Sie in Ihrem Heimatland sind.
policy-message-device-limit = Mit diesem Browser wären es mehr Geräte, als diese App erlaubt.
policy-message-device-unknown = Wir erkennen diesen Browser nicht.
policy-message-time-outside-hours = Diese App ist zu dieser Zeit geschlossen.
policy-message-risk-locked = Es gab zu viele Fehlversuche. Warten Sie 15 Minuten und versuchen Sie es dann erneut.
policy-message-device-kept = Um Ihre Geräte kümmert sich Ihre Organisation. Bitten Sie um Hilfe, damit eines frei wird.
policy-message-self-service-proof = Bevor Sie ändern, wie Sie sich anmelden oder welche Geräte zählen, müssen wir sicher sein, dass Sie es sind.
