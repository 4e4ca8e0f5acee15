# Seiten, die Menschen sehen. Kurze Sätze; erst, was geschehen ist, dann, was zu tun ist.

## Rahmen
skip-to-content = Zum Inhalt springen
contact-help = Hilfe nötig?
error-title-prefix = Fehler:
powered-by = Anmeldung durch cedargate

## Wer sich anmeldet
identify-title = Anmelden
identify-to-app = weiter zu { $app }
identify-to-portal = weiter zu Ihren Apps
identify-label = Benutzername oder E-Mail-Adresse
identify-button = Weiter

## Passwort
password-title = Geben Sie Ihr Passwort ein
password-account = Anmeldung als
password-not-you = Nicht Sie?
password-label = Passwort
password-button = Anmelden
password-show = Zeigen
password-hide = Verbergen

## Code einer Authenticator-App
totp-title = Bestätigen Sie, dass Sie es sind
totp-what-to-do = Öffnen Sie Ihre Authenticator-App und geben Sie den Code ein, den sie für { $organisation } anzeigt.
totp-label = 6-stelliger Code
totp-hint = Alle 30 Sekunden kommt ein neuer Code. Leerzeichen stören nicht.
totp-button = Bestätigen
totp-other-methods = Anders bestätigen
totp-attempts-left =
    { $count ->
        [one] Noch ein Versuch bis zu einer Pause.
       *[other] Noch { $count } Versuche bis zu einer Pause.
    }
reasons-title = Warum wir fragen

## Code per E-Mail
email-code-title = Sehen Sie in Ihr Postfach
email-code-sent = Wir haben um { $time } einen Code an { $email } geschickt. Geben Sie ihn hier ein.
email-code-none = Es ist noch kein Code unterwegs. Wir schicken ihn an { $email }.
email-code-again = Wir können einen neuen an { $email } schicken.
email-code-exhausted = In einer Stunde verschicken wir nur eine begrenzte Zahl von Codes, und so viele sind verschickt. Nehmen Sie einen anderen Weg, oder kommen Sie später wieder.
email-code-label = 8-stelliger Code
email-code-until = Er gilt einmal, bis { $time } Uhr ({ $zone }). Leerzeichen stören nicht.
email-code-button = Bestätigen
email-code-nothing = Nichts angekommen? Sehen Sie im Spam-Ordner nach. Nur der neueste Code gilt.
email-code-last = Das war der letzte Code, den wir in einer Stunde verschicken. Nichts angekommen? Sehen Sie im Spam-Ordner nach, oder nehmen Sie einen anderen Weg.
email-code-resend = Neuen Code schicken
email-code-wait = Neuen Code schicken (in # s)
email-code-send = Code zuschicken
email-code-too-soon =
    { $count ->
        [one] Der letzte Code ist gerade erst unterwegs. In einer Sekunde können Sie einen neuen anfordern.
       *[other] Der letzte Code ist gerade erst unterwegs. In { $count } Sekunden können Sie einen neuen anfordern.
    }

## Eine Methode wählen
methods-title = Wählen Sie einen anderen Weg
methods-text = Jeder dieser Wege gilt hier.
methods-lost = Das habe ich nicht mehr
methods-lost-hint = Wir lassen es bei dieser Anmeldung weg und halten das fest.

## Einen zweiten Faktor hinzufügen
enrol-link-title = Fügen Sie einen zweiten Anmeldeweg hinzu
enrol-link-text = { $app } verlangt mehr als ein Passwort. Damit niemand sonst einen Weg für Sie einrichten kann, braucht es einen Link, den nur Sie bekommen.
enrol-link-text-portal = Ihre Organisation verlangt mehr als ein Passwort. Damit niemand sonst einen Weg für Sie einrichten kann, braucht es einen Link, den nur Sie bekommen.
enrol-link-target = Er geht an { $email }.
enrol-link-ask = Dieser Server verschickt keine Mails. Bitten Sie die Menschen, die ihn betreuen, um einen Link, und öffnen Sie ihn in diesem Browser.
enrol-link-button = Link zuschicken
enrol-link-sent-title = Sehen Sie in Ihr Postfach
enrol-link-sent = Wir haben einen Link an { $email } geschickt. Öffnen Sie ihn in diesem Browser.
enrol-link-again = Nichts angekommen? Sehen Sie im Spam-Ordner nach, oder lassen Sie ihn noch einmal schicken.
enrol-link-again-button = Noch einmal schicken
enrol-title = Richten Sie Ihre Authenticator-App ein
enrol-step-scan = Scannen Sie diesen Code
enrol-step-scan-text = Nehmen Sie eine Authenticator-App auf Ihrem Telefon, zum Beispiel Google Authenticator, Microsoft Authenticator oder Aegis.
enrol-qr-label = QR-Code mit dem Geheimnis für Ihre Authenticator-App. Dasselbe Geheimnis steht darunter als Text.
enrol-secret-summary = Scannen geht nicht? Geheimnis eintippen
enrol-secret-label = Geheimnis
enrol-secret-text = Wählen Sie „zeitbasiert“, 6 Stellen, 30 Sekunden.
enrol-step-code = Geben Sie den Code ein, den sie anzeigt
enrol-button = Einrichtung abschließen
enrol-done-title = Ihr Authenticator ist bereit
enrol-done-text = Melden Sie sich mit Ihrem neuen Authenticator noch einmal an: er zählt ab der nächsten Anmeldung.
enrol-done-button = Noch einmal anmelden

## Ein Passwort setzen
set-password-title = Wählen Sie ein Passwort
set-password-text = Ein paar Wörter, die nur Sie so zusammenstellen würden, sind leicht zu merken und schwer zu erraten.
set-password-label = Neues Passwort
set-password-rules = Ihr Passwort
set-password-rule-length = hat mindestens 8 Zeichen; länger ist besser
set-password-rule-common = gehört nicht zu denen, die alle zuerst probieren
set-password-rule-context = enthält weder Ihren Namen noch Ihre Adresse noch { $organisation }
set-password-rule-free = darf beliebige Zeichen enthalten, auch Leerzeichen
set-password-button = Passwort speichern

## Links
link-activation-title = Willkommen
link-activation-text = Drücken Sie auf den Knopf, um Ihr Konto einzurichten. Zuerst wählen Sie ein Passwort, dann fügen Sie eine Authenticator-App hinzu.
link-activation-button = Konto einrichten
link-enrolment-title = Fügen Sie einen zweiten Anmeldeweg hinzu
link-enrolment-text = Drücken Sie auf den Knopf, um Ihrem Konto eine Authenticator-App hinzuzufügen.
link-enrolment-button = Weiter
link-for = Dieser Link ist für
link-once = Er gilt einmal. Wenn Sie ihn nicht erwartet haben, schließen Sie diese Seite: Es hat sich nichts geändert.

## Abgelehnt
blocked-title = Sie können { $app } gerade nicht öffnen
blocked-title-portal = Sie können sich gerade nicht anmelden
blocked-general = Die Regeln Ihrer Organisation erlauben das nicht.
blocked-no-permit = Diese App gehört nicht zu denen, die Sie öffnen dürfen.
blocked-cannot-show = Diese App verlangt eine Art der Anmeldung, die Sie nicht haben. Fragen Sie die Menschen, die sie betreuen.
blocked-no-role = Keine der Rollen dieser App steht Ihnen offen. Fragen Sie die Menschen, die sie betreuen.
blocked-what-now = Wenn Sie das für falsch halten, bitten Sie um Hilfe und nennen Sie dieses Aktenzeichen:
blocked-reference = Aktenzeichen
blocked-when = Zeit
blocked-back = Zurück zu { $app }
blocked-start-again = Noch einmal anmelden

## Abgemeldet
signed-out-title = Sie sind abgemeldet
signed-out-text = Geöffnete Apps können noch angemeldet sein. Schließen Sie an einem gemeinsamen Rechner den Browser.
signed-out-button = Wieder anmelden
signout-title = Sie werden abgemeldet
signout-text = Hier sind Sie schon abgemeldet. Jetzt erfahren es Ihre Apps, eine nach der anderen.
signout-again-title = { $app } hat nicht geantwortet
signout-again-text = Sie sind zurück, aber { $app } hat nicht gesagt, ob Sie dort abgemeldet sind. Versuchen Sie es noch einmal, oder machen Sie ohne diese App weiter.
signout-apps = Ihre Apps
signout-next = Weiter
signout-again = { $app } noch einmal versuchen
signout-skip = Ohne { $app } weiter
signout-answer-title = Zurück zu { $app }
signout-answer-text = Ihre Apps wissen Bescheid. { $app } hat die Abmeldung begonnen und wartet auf Antwort.
signout-answer-button = Zurück zu { $app }
signout-everywhere = Auch alle Apps, die Sie geöffnet hatten, sind abgemeldet.
signout-partly = Nicht jede App ist abgemeldet. Schließen Sie an einem gemeinsamen Rechner den Browser, oder melden Sie sich in der App selbst ab.
signout-state-waiting = wartet
signout-state-asked = noch keine Antwort
signout-state-signed-out = abgemeldet
signout-state-failed = konnte Sie nach eigener Auskunft nicht abmelden
signout-state-unconfirmed = weiß Bescheid, hat es aber nicht bestätigt
signout-state-unreached = war nicht zu erreichen
signout-state-stays = bleibt angemeldet, bis es von selbst endet
signout-state-stays-until = bleibt angemeldet bis { $time } ({ $zone })
signout-post-title = Sie werden bei { $app } abgemeldet
signout-post-back-title = Zurück zu { $app }
signout-post-text = Ihr Browser ist unterwegs zu { $app }.

## Eine App öffnen
post-title = { $app } wird geöffnet
post-text = Sie sind angemeldet und gleich da.
post-noscript = Drücken Sie auf den Knopf, um weiterzugehen.
post-button = Weiter
launch-title = { $app } öffnen?
launch-text = Eine andere Seite möchte diese App mit Ihrem Konto öffnen.
launch-button = { $app } öffnen
launch-cancel = Lieber meine Apps zeigen

## Portal
portal-title = Ihre Apps
portal-greeting = Hallo, { $name }
portal-signed-in-as = Angemeldet als { $username }
portal-search = Apps suchen
portal-search-button = Suchen
portal-search-clear = Alle Apps zeigen
portal-found =
    { $count ->
        [one] Eine App gefunden
       *[other] { $count } Apps gefunden
    }
portal-none = Hier ist noch nichts für Sie
portal-none-text = Ihre Organisation hat noch keine App für Sie freigegeben. Fragen Sie nach, wenn Sie eine erwartet haben.
portal-no-match = Keine App passt zu „{ $query }“
portal-roles = Rollen in { $app }
portal-extra-step = braucht einen weiteren Schritt
portal-not-available = hier nicht verfügbar
portal-sign-out = Abmelden

## Geräte
devices-title = Ihre Geräte
devices-text = Die Browser, in denen Sie angemeldet waren. Entfernen Sie, was Sie nicht mehr benutzen: Dort sind Sie dann abgemeldet und gelten als neu, wenn Sie wiederkommen.
devices-none = Hier ist kein Gerät
devices-name = { $browser } auf { $system }
devices-name-system = Ein Browser auf { $system }
devices-name-unknown = Ein Browser, den wir nicht benennen können
devices-current = dieser Browser
devices-place = Wo
devices-last = Zuletzt
devices-first = Zuerst
devices-remembered = Gemerkt für { $app }, längstens bis { $until }
devices-remove = Entfernen
devices-remove-current = Entfernen und abmelden
devices-end-trust = Nicht mehr merken
devices-extra-step = Um ein Gerät zu entfernen, braucht es erst eine Bestätigung. Wir fragen danach, wenn Sie auf Entfernen drücken.
devices-done-removed = Das Gerät ist entfernt. Wer dort angemeldet war, ist es nicht mehr.
devices-done-trust-ended = Dieser Browser ist nicht mehr gemerkt. Beim nächsten Mal wird dort wieder nach einer Bestätigung gefragt.
devices-see = Ihre Geräte ansehen
devices-at-limit = Mit weniger Geräten ginge es weiter. Sie können eines entfernen, das Sie nicht mehr benutzen.
choose-device-title = Entfernen Sie ein Gerät
choose-device-text = Diese Geräte zählen hier. Entfernen Sie eines, das Sie nicht mehr benutzen: Dort sind Sie dann abgemeldet und gelten als neu, wenn Sie wiederkommen.
choose-device-none = Weiter, ohne eines zu entfernen
remember-label =
    { $count ->
        [one] Diesen Browser einen Tag lang merken
       *[other] Diesen Browser { $count } Tage lang merken
    }
remember-hint = Bis dahin verlangt { $app } in diesem Browser keine zweite Bestätigung. Lassen Sie es leer, wenn auch andere diesen Computer benutzen. Rückgängig machen können Sie es unter „Ihre Geräte“.
remember-hint-portal = Bis dahin verlangen wir in diesem Browser keine zweite Bestätigung. Lassen Sie es leer, wenn auch andere diesen Computer benutzen. Rückgängig machen können Sie es unter „Ihre Geräte“.

## Fehler in Formularen
error-name-missing = Geben Sie Ihren Benutzernamen oder Ihre E-Mail-Adresse ein.
error-wrong-password = Name oder Passwort ist falsch. Prüfen Sie beides und versuchen Sie es noch einmal.
error-password-missing = Geben Sie Ihr Passwort ein.
error-too-many-attempts = Es gab zu viele Versuche. Warten Sie ein wenig bis zum nächsten.
error-retry-after =
    { $count ->
        [one] In einer Sekunde können Sie es wieder versuchen.
       *[other] In { $count } Sekunden können Sie es wieder versuchen.
    }
error-code-malformed = Der Code hat 6 Ziffern. Geben Sie ihn so ein, wie Ihre App ihn zeigt.
error-code-wrong = Dieser Code stimmt nicht. Warten Sie auf den nächsten in Ihrer App und geben Sie diesen ein. Wenn es nicht klappt, prüfen Sie, ob Ihr Telefon seine Uhrzeit selbst stellt.
error-code-used = Dieser Code wurde schon benutzt. Warten Sie auf den nächsten in Ihrer App.
error-mailed-code-malformed = Der Code hat 8 Ziffern. Geben Sie ihn so ein, wie er in der Mail steht.
error-mailed-code-wrong = Das ist nicht der Code, den wir geschickt haben. Sehen Sie in die neueste Mail und geben Sie deren Code ein.
error-mailed-code-used = Dieser Code wurde schon benutzt. Lassen Sie sich einen neuen schicken.
error-mailed-code-expired = Dieser Code ist abgelaufen.
error-password-too-short = Dieses Passwort ist zu kurz. Nehmen Sie mindestens 8 Zeichen.
error-password-too-long = Dieses Passwort ist zu lang. Nehmen Sie höchstens 256 Zeichen.
error-password-common = Das ist eines der Passwörter, die alle zuerst probieren. Nehmen Sie ein anderes.
error-password-context = Dieses Passwort enthält Ihren Namen, Ihre Adresse oder Ihre Organisation. Nehmen Sie ein anderes.
error-method-not-offered = Dieser Weg gilt hier nicht. Wählen Sie einen von diesen.

## Störungen
problem-reference = Aktenzeichen
problem-next = Neu beginnen
problem-expired-title = Diese Anmeldung hat zu lange gedauert
problem-expired-text = Zu Ihrer Sicherheit endet eine Anmeldung nach 15 Minuten. Es ist nichts verloren: Beginnen Sie neu.
problem-replayed-title = Dieser Schritt ist schon getan
problem-replayed-text = Das Formular wurde schon einmal abgeschickt, vielleicht durch Zurückgehen oder Neuladen. Beginnen Sie neu, um weiterzukommen.
problem-start-again-title = Beginnen wir noch einmal
problem-start-again-text = Diese Anmeldung läuft in einem anderen Tab oder einem anderen Browser weiter, oder sie ist vorbei.
problem-csrf-title = Dieses Formular ist zu alt
problem-csrf-text = Wir konnten nicht sicherstellen, dass es von unserer eigenen Seite kam. Beginnen Sie von vorn.
problem-cookies-off-title = Ihr Browser schickt keine Cookies
problem-cookies-off-text = Für die Anmeldung braucht es ein Cookie dieser Seite. Erlauben Sie Cookies für sie in den Einstellungen Ihres Browsers und beginnen Sie neu.
problem-not-found-title = Hier ist nichts
problem-not-found-text = Die Adresse ist vielleicht vertippt oder veraltet.
problem-link-invalid-title = Dieser Link gilt nicht mehr
problem-link-invalid-text = Links gelten einmal und für begrenzte Zeit. Bitten Sie dort um einen neuen, wo Sie ihn bekommen haben.
problem-bad-form-title = Wir konnten dieses Formular nicht lesen
problem-bad-form-text = Etwas darin fehlt oder kommt doppelt vor. Beginnen Sie von vorn.
problem-bad-saml-request-title = Die App hat eine Anfrage geschickt, die wir nicht beantworten können
problem-bad-saml-request-text = Sie haben nichts falsch gemacht. Sagen Sie denen Bescheid, die die App betreuen, und nennen Sie das Aktenzeichen.
problem-bad-logout-message-title = Damit können wir nichts anfangen
problem-bad-logout-message-text = Eine App wollte Sie abmelden oder uns melden, dass sie es getan hat. Wir können aber nicht sicher sein, dass es diese App war. Sie sind angemeldet wie zuvor. Um sich abzumelden, gehen Sie zu Ihren Apps und drücken Sie „Abmelden“.
problem-too-many-attempts-title = Zu viele Versuche
problem-too-many-attempts-text = Um dieses Konto zu schützen, nehmen wir eine Weile keine Versuche an. Versuchen Sie es später noch einmal.
problem-too-many-attempts-wait =
    { $count ->
        [one] Um dieses Konto zu schützen, nehmen wir eine Sekunde lang keine Versuche an.
       *[other] Um dieses Konto zu schützen, nehmen wir { $count } Sekunden lang keine Versuche an.
    }
problem-too-many-apps-title = Zu viele Apps in einer Sitzung
problem-too-many-apps-text = Sie haben mehr Apps geöffnet, als wir zusammen abmelden könnten. Melden Sie sich ab und wieder an, und öffnen Sie die App dann.
problem-busy-title = Gerade melden sich sehr viele an
problem-busy-text = Warten Sie ein paar Sekunden und versuchen Sie es noch einmal. Es ist nichts verloren.
problem-unavailable-title = Die Anmeldung geht gerade nicht
problem-unavailable-text = Etwas, das wir brauchen, ist für einen Moment nicht da. Versuchen Sie es in einer Minute wieder; wenn es bleibt, bitten Sie um Hilfe.
problem-method-not-allowed-title = So funktioniert diese Seite nicht
problem-method-not-allowed-text = Die Adresse stimmt, aber sie nimmt keine Anfrage dieser Art an.
problem-not-a-form-title = Das ist kein Formular
problem-not-a-form-text = Hierher lassen sich nur die Formulare unserer Seiten senden.
problem-too-large-title = Das war zu viel
problem-too-large-text = Was geschickt wurde, ist größer, als diese Seite annimmt.
problem-too-slow-title = Das hat zu lange gedauert
problem-too-slow-text = Was gesendet wurde, kam nicht rechtzeitig an. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.
problem-no-assertion-title = Diese Anwendung lässt sich mit Ihrem Konto nicht öffnen
problem-no-assertion-text = In Ihrem Konto fehlt etwas, oder es hat eine Form, die die Anwendung nicht nimmt. Andere sind nicht betroffen, und ein neuer Versuch hilft nicht. Bitten Sie um Hilfe und nennen Sie das Aktenzeichen: Damit sieht die Verwaltung, was zu ändern ist.
problem-internal-title = Bei uns ist etwas schiefgegangen
problem-internal-text = Wir haben es festgehalten. Versuchen Sie es noch einmal; wenn es bleibt, bitten Sie um Hilfe und nennen Sie das Aktenzeichen.

## Methoden
method-passkey = Passkey
method-passkey-hint = Ihr Fingerabdruck, Gesicht oder Ihre Bildschirmsperre
method-security_key = Sicherheitsschlüssel
method-security_key-hint = Einstecken oder daranhalten, dann berühren
method-hardware_token = Code Ihres Tokens
method-hardware_token-hint = Die Zahl auf Ihrem Hardware-Token
method-yubikey_otp = YubiKey
method-yubikey_otp-hint = Berühren Sie ihn, er tippt seinen Code
method-totp = Authenticator-App
method-totp-hint = Der 6-stellige Code in Ihrer App
method-push = Im Browser bestätigen
method-push-hint = Eine Nachricht an einen eingerichteten Browser
method-qr_approval = Mit dem Telefon scannen
method-qr_approval-hint = Mit einem, das schon angemeldet ist
method-radius_otp = Einmalpasswort
method-radius_otp-hint = Das Einmalpasswort Ihres Tokens
method-upstream_mfa = Anmeldung Ihrer Organisation
method-upstream_mfa-hint = Sie hat Sie zweifach bestätigt
method-sms_email_otp = Codes per SMS und E-Mail
method-sms_email_otp-hint = Die eine Hälfte aufs Telefon, die andere ins Postfach
method-sms_otp = Code per SMS
method-sms_otp-hint = An Ihr Telefon
method-voice_call = Anruf
method-voice_call-hint = Wir rufen an und sagen Ihnen einen Code
method-sms_approval = Link per SMS
method-sms_approval-hint = Öffnen Sie ihn, um zuzustimmen
method-email_otp = Code per E-Mail
method-email_otp-hint = An Ihre E-Mail-Adresse
method-email_approval = Link per E-Mail
method-email_approval-hint = Öffnen Sie ihn, um zuzustimmen
method-alternate_email_otp = Code per E-Mail an Ihre andere Adresse
method-alternate_email_otp-hint = An die zweite Adresse, die Sie angegeben haben
method-grid_card = Rasterkarte
method-grid_card-hint = Die Felder Ihrer Karte, nach denen wir fragen
method-backup_code = Ersatzcode
method-backup_code-hint = Einer der Codes, die Sie aufbewahrt haben
method-password = Passwort
method-password-hint = Das Passwort Ihres Kontos
method-directory_password = Passwort der Organisation
method-directory_password-hint = Das, was Sie bei der Arbeit benutzen
method-external_idp = Anderswo anmelden
method-external_idp-hint = Mit einem Konto, das Sie schon haben
method-magic_link = Link per E-Mail
method-magic_link-hint = Anmelden ohne Passwort
method-access_pass = Zugangspass
method-access_pass-hint = Vom Helpdesk
method-security_questions = Sicherheitsfragen
method-security_questions-hint = Die Antworten, die Sie gegeben haben
method-activation_link = Aktivierungslink
method-activation_link-hint = Aus der Willkommens-E-Mail
method-recovery_link = Wiederherstellungslink
method-recovery_link-hint = Aus der E-Mail, die wir geschickt haben
