# Die eigenen Seiten der Vorführung.

demo-nav = Vorführung
demo-nav-guide = Rundgang
demo-nav-pretend = So tun, als ob
demo-nav-mails = E-Mails
demo-nav-portal = Ihre Apps
demo-guide-title = Sehen Sie cedargate beim Entscheiden zu
demo-guide-text = Alles hier läuft mit vorübergehenden Daten auf diesem Rechner. Jede Antwort kommt aus den Cedar-Richtlinien im Ordner policies.
demo-pretended = Vorgegeben ist:
demo-pretend-change = Ändern
demo-hour-true = die wirkliche Uhrzeit
demo-accounts = Konten zum Ausprobieren
demo-accounts-text = Ihre Passwörter wurden beim Start dieser Vorführung ausgewürfelt und verschwinden mit ihr.
demo-username = Benutzername
demo-password = Passwort
demo-code = Code jetzt
demo-code-left =
    { $count ->
        [one] noch eine Sekunde lang
       *[other] noch { $count } Sekunden lang
    }
demo-code-reload = Aktuelle Codes anzeigen
demo-mails-title = E-Mails
demo-mails-text = Was verschickt worden wäre, steht stattdessen hier.
demo-mails-none = Noch keine E-Mails
demo-mails-none-text = Sie erscheinen, sobald eine Anmeldung oder eine Richtlinie eine auslöst.
demo-mail-to = an { $to }
demo-pretend-title = So tun, als wären Sie woanders
demo-pretend-text = Richtlinien achten auf Adresse, Land und Uhrzeit einer Anmeldung. Wählen Sie, was sie von Ihnen sehen.
demo-pretend-saved = Gespeichert. Ab jetzt sehen die Richtlinien dies.
demo-address = Adresse
demo-country = Land
demo-hour = Stunde des Tages
demo-pretend-button = So tun, als ob
demo-back-to-guide = Zurück zum Rundgang
demo-sp-name = Nimbus Console
demo-sp-start-title = Bei Nimbus Console anmelden
demo-sp-start-text = Diese Seite steht für Amazon Web Services. Sie kennt cedargate nur durch dessen Metadaten und prüft jede Antwort mit anderem Code als dem, der sie signiert hat.
demo-sp-start-button = Mit { $organisation } anmelden
demo-sp-verified = Sie sind angemeldet
demo-sp-verified-text = Die Antwort war signiert, vollständig und für diesen Dienst bestimmt. Das stand darin.
demo-sp-roles = Rollen, die Sie annehmen dürfen
demo-sp-duration = Jede gilt { $duration } Sekunden.
demo-sp-checks = Was geprüft wurde
demo-sp-assertion = Assertion
demo-sp-issuer = Aussteller
demo-sp-subject = Subjekt
demo-sp-audience = Empfängerkreis
demo-sp-valid-until = Gültig bis
demo-sp-context = Angemeldet durch
demo-sp-in-response-to = Antwort auf
demo-sp-unasked = nichts: sie kam unaufgefordert (IdP-initiiert)
demo-sp-attributes = Attribute
demo-sp-xml = Das XML, wie es ankam
demo-sp-refused = Diese Antwort wird abgelehnt
demo-sp-refused-text = Etwas darin hält der Prüfung nicht stand; niemand wurde angemeldet.
demo-sp-denied = Sie wurden nicht angemeldet
demo-sp-denied-text = cedargate hat mit einer signierten Absage geantwortet.
