# Pages people see. Short sentences; say what happened, then what to do.

## Frame
skip-to-content = Skip to content
contact-help = Need help?
error-title-prefix = Error:
powered-by = Sign-in by cedargate

## Identify
identify-title = Sign in
identify-to-app = to continue to { $app }
identify-to-portal = to see your apps
identify-label = Username or email
identify-button = Next

## Password
password-title = Enter your password
password-account = Signing in as
password-not-you = Not you?
password-label = Password
password-button = Sign in
password-show = Show
password-hide = Hide

## Code of an authenticator app
totp-title = Confirm it’s you
totp-what-to-do = Open your authenticator app and type the code it shows for { $organisation }.
totp-label = 6-digit code
totp-hint = A new code comes every 30 seconds. Spaces don’t matter.
totp-button = Confirm
totp-other-methods = Try another way
totp-attempts-left =
    { $count ->
        [one] One attempt left before a pause.
       *[other] { $count } attempts left before a pause.
    }
reasons-title = Why we ask

## Code by mail
email-code-title = Look at your mail
email-code-sent = We sent a code to { $email } at { $time }. Type it here.
email-code-none = No code is on its way yet. We send it to { $email }.
email-code-again = We can send a new one to { $email }.
email-code-exhausted = We send a limited number of codes within an hour, and that many were sent. Try another way, or come back later.
email-code-label = 8-digit code
email-code-until = It works once, until { $time } ({ $zone }). Spaces don’t matter.
email-code-button = Confirm
email-code-nothing = Nothing there? Look in the spam folder. Only the newest code works.
email-code-last = This was the last code we send within an hour. Nothing there? Look in the spam folder, or try another way.
email-code-resend = Send a new code
email-code-wait = Send a new code (in # s)
email-code-send = Send me a code
email-code-too-soon =
    { $count ->
        [one] The last code is only just on its way. In one second you can ask for another one.
       *[other] The last code is only just on its way. In { $count } seconds you can ask for another one.
    }

## Choosing a method
methods-title = Choose another way
methods-text = Each of these is accepted here.
methods-lost = I no longer have this
methods-lost-hint = We leave it out of this sign-in and write that down.

## Adding a second factor
enrol-link-title = Add a second way to sign in
enrol-link-text = { $app } asks for more than a password. So that nobody else can add one for you, this takes a link that only you get.
enrol-link-text-portal = Your organisation asks for more than a password. So that nobody else can add one for you, this takes a link that only you get.
enrol-link-target = We will send it to { $email }.
enrol-link-ask = This server does not send mails. Ask the people who look after it for a link, and open it in this browser.
enrol-link-button = Send me a link
enrol-link-sent-title = Look at your mail
enrol-link-sent = We sent a link to { $email }. Open it in this browser.
enrol-link-again = Nothing there? Look in the spam folder, or send it again.
enrol-link-again-button = Send it again
enrol-title = Set up your authenticator app
enrol-step-scan = Scan this code
enrol-step-scan-text = Use an authenticator app on your phone, such as Google Authenticator, Microsoft Authenticator or Aegis.
enrol-qr-label = QR code with the secret for your authenticator app. The same secret stands below as text.
enrol-secret-summary = Can’t scan? Type the secret instead
enrol-secret-label = Secret
enrol-secret-text = Choose “time-based”, 6 digits, 30 seconds.
enrol-step-code = Type the code it shows
enrol-button = Finish set-up
enrol-done-title = Your authenticator is ready
enrol-done-text = Sign in again with your new authenticator: it counts from the next sign-in on.
enrol-done-button = Sign in again

## Setting a password
set-password-title = Choose a password
set-password-text = A few words that only you would put together are easy to remember and hard to guess.
set-password-label = New password
set-password-rules = Your password
set-password-rule-length = has at least 8 characters; longer is better
set-password-rule-common = is not one of the passwords everybody tries
set-password-rule-context = does not hold your name, your address or { $organisation }
set-password-rule-free = may hold any characters, spaces too
set-password-button = Save password

## Links
link-activation-title = Welcome
link-activation-text = Press the button to start your account. First you choose a password, then you add an authenticator app.
link-activation-button = Start my account
link-enrolment-title = Add a second way to sign in
link-enrolment-text = Press the button to add an authenticator app to your account.
link-enrolment-button = Go on
link-for = This link is for
link-once = It works once. If you did not expect it, close this page: nothing has changed.

## Blocked
blocked-title = You can’t open { $app } right now
blocked-title-portal = You can’t sign in right now
blocked-general = The rules of your organisation don’t allow this.
blocked-no-permit = This app is not among those you may open.
blocked-cannot-show = This app asks for a way to sign in that you do not have. Ask the people who look after it.
blocked-no-role = None of the roles of this app is open to you. Ask the people who look after it.
blocked-what-now = If you think this is wrong, ask for help and give this reference:
blocked-reference = Reference
blocked-when = Time
blocked-back = Back to { $app }
blocked-start-again = Sign in again

## Signed out
signed-out-title = You are signed out
signed-out-text = Apps you opened may still be signed in. Close your browser on a shared computer.
signed-out-button = Sign in again
signout-title = Signing you out
signout-text = Here you are signed out already. Now your apps are told, one after the other.
signout-again-title = { $app } has not answered
signout-again-text = You are back, but { $app } did not say whether you are signed out there. Try again, or go on without it.
signout-apps = Your apps
signout-next = Go on
signout-again = Try { $app } again
signout-skip = Go on without { $app }
signout-answer-title = Back to { $app }
signout-answer-text = Your apps were told. { $app } began this and is waiting to hear.
signout-answer-button = Back to { $app }
signout-everywhere = All apps you had opened are signed out too.
signout-partly = Not every app is signed out. Close your browser on a shared computer, or sign out in the app itself.
signout-state-waiting = waiting
signout-state-asked = no answer yet
signout-state-signed-out = signed out
signout-state-failed = says it could not sign you out
signout-state-unconfirmed = was told, but did not confirm
signout-state-unreached = could not be reached
signout-state-stays = stays signed in until it ends by itself
signout-state-stays-until = stays signed in until { $time } ({ $zone })
signout-post-title = Signing you out of { $app }
signout-post-back-title = Back to { $app }
signout-post-text = Your browser is on its way to { $app }.

## Opening an app
post-title = Opening { $app }
post-text = You are signed in and on your way.
post-noscript = Press the button to go on.
post-button = Continue
launch-title = Open { $app }?
launch-text = Another site asked to open this app with your account.
launch-button = Open { $app }
launch-cancel = Show my apps instead

## Portal
portal-title = Your apps
portal-greeting = Hello, { $name }
portal-signed-in-as = Signed in as { $username }
portal-search = Search apps
portal-search-button = Search
portal-search-clear = Show all apps
portal-found =
    { $count ->
        [one] One app found
       *[other] { $count } apps found
    }
portal-none = There is nothing here for you yet
portal-none-text = Your organisation has not opened an app to you. Ask for help if you expected one.
portal-no-match = No app matches “{ $query }”
portal-roles = Roles in { $app }
portal-extra-step = needs an extra step
portal-not-available = not available here
portal-sign-out = Sign out

## Devices
devices-title = Your devices
devices-text = The browsers you were signed in from. Remove those you no longer use: you are signed out there, and count as new when you come back.
devices-none = There is no device here
devices-name = { $browser } on { $system }
devices-name-system = A browser on { $system }
devices-name-unknown = A browser we can’t name
devices-current = this browser
devices-place = Where
devices-last = Last used
devices-first = First used
devices-remembered = Remembered for { $app } until { $until } at the latest
devices-remove = Remove
devices-remove-current = Remove and sign out
devices-end-trust = Stop remembering
devices-extra-step = Removing a device takes a confirmation first. We ask for it when you press Remove.
devices-done-removed = The device is removed. Whoever was signed in there no longer is.
devices-done-trust-ended = That browser is no longer remembered. The next time it is asked for a confirmation again.
devices-see = See your devices
devices-at-limit = With fewer devices it would go on. You can remove one you no longer use.
choose-device-title = Remove a device
choose-device-text = These devices count here. Remove one you no longer use: you are signed out there, and count as new when you come back.
choose-device-none = Go on without removing one
remember-label =
    { $count ->
        [one] Remember this browser for one day
       *[other] Remember this browser for { $count } days
    }
remember-hint = Until then, { $app } asks for no second confirmation in this browser. Leave it empty on a computer that others use. You can undo it under “Your devices”.
remember-hint-portal = Until then, we ask for no second confirmation in this browser. Leave it empty on a computer that others use. You can undo it under “Your devices”.

## Errors of forms
error-name-missing = Type your username or your email address.
error-wrong-password = Name or password is wrong. Check both and try again.
error-password-missing = Type your password.
error-too-many-attempts = There were too many attempts. Wait a little before the next one.
error-retry-after =
    { $count ->
        [one] You can try again in one second.
       *[other] You can try again in { $count } seconds.
    }
error-code-malformed = The code has 6 digits. Type it as your app shows it.
error-code-wrong = This code is not right. Wait for the next one in your app and type that. If it keeps failing, check that your phone sets its time by itself.
error-code-used = This code was used already. Wait for the next one in your app.
error-mailed-code-malformed = The code has 8 digits. Type it as it stands in the mail.
error-mailed-code-wrong = This is not the code we sent. Check the newest mail and type its code.
error-mailed-code-used = This code was used already. Send a new one.
error-mailed-code-expired = This code has expired.
error-password-too-short = This password is too short. Take at least 8 characters.
error-password-too-long = This password is too long. Take at most 256 characters.
error-password-common = This is one of the passwords everybody tries first. Take another one.
error-password-context = This password holds your name, your address or your organisation. Take another one.
error-method-not-offered = This way is not accepted here. Choose one of these.

## Problems
problem-reference = Reference
problem-next = Start again
problem-expired-title = This sign-in took too long
problem-expired-text = For your safety a sign-in ends after 15 minutes. Nothing is lost: start again.
problem-replayed-title = This step was done already
problem-replayed-text = The form was sent before, perhaps with the Back button or a reload. Start again to go on.
problem-start-again-title = Let’s start again
problem-start-again-text = This sign-in goes on in another tab or another browser, or it is over.
problem-csrf-title = This form is too old
problem-csrf-text = We could not make sure that it came from our own page. Start again from the beginning.
problem-cookies-off-title = Your browser sends no cookies
problem-cookies-off-text = Signing in needs one cookie from this site. Allow cookies for it in your browser’s settings and start again.
problem-not-found-title = There is nothing here
problem-not-found-text = The address may be mistyped or out of date.
problem-link-invalid-title = This link no longer works
problem-link-invalid-text = Links work once and for a limited time. Ask for a new one where you got it.
problem-bad-form-title = We could not read this form
problem-bad-form-text = Something in it is missing or there twice. Start again from the beginning.
problem-bad-saml-request-title = The app sent a request we can’t answer
problem-bad-saml-request-text = You did nothing wrong. Tell the people who look after the app, and give them the reference.
problem-bad-logout-message-title = The app sent something we can’t act on
problem-bad-logout-message-text = An app wanted to sign you out, or to tell us that it did, but we cannot be sure that it was this app. You are signed in as before. To sign out, go to your apps and press “Sign out”.
problem-too-many-attempts-title = Too many attempts
problem-too-many-attempts-text = To protect this account we take no more attempts for a while. Try again later.
problem-too-many-attempts-wait =
    { $count ->
        [one] To protect this account we take no more attempts for one second.
       *[other] To protect this account we take no more attempts for { $count } seconds.
    }
problem-too-many-apps-title = Too many apps in one session
problem-too-many-apps-text = You opened more apps than we could sign you out of together. Sign out, sign in again, and open the app then.
problem-busy-title = A lot of people are signing in
problem-busy-text = Wait a few seconds and try again. Nothing is lost.
problem-unavailable-title = Signing in does not work right now
problem-unavailable-text = Something we need is away for a moment. Try again in a minute; if it lasts, ask for help.
problem-method-not-allowed-title = That’s not how this page works
problem-method-not-allowed-text = The address is right, but it takes no request of this kind.
problem-not-a-form-title = This is not a form
problem-not-a-form-text = Only the forms on our pages can be sent here.
problem-too-large-title = That was too much
problem-too-large-text = What was sent is larger than this page takes.
problem-too-slow-title = That took too long
problem-too-slow-text = What was sent did not arrive in time. Check your connection and try again.
problem-no-assertion-title = This app can’t be opened with your account
problem-no-assertion-text = Something in your account is missing, or has a form the app does not take. Nobody else is affected, and trying again does not help. Ask for help and give the reference: with it your administrators see what to change.
problem-internal-title = Something went wrong on our side
problem-internal-text = We noted it. Try again; if it lasts, ask for help and give the reference.

## Methods
method-passkey = Passkey
method-passkey-hint = Your fingerprint, face or screen lock
method-security_key = Security key
method-security_key-hint = Plug it in or hold it near, then touch it
method-hardware_token = Code of your token
method-hardware_token-hint = The number on your hardware token
method-yubikey_otp = YubiKey
method-yubikey_otp-hint = Touch it to type its code
method-totp = Authenticator app
method-totp-hint = The 6-digit code in your app
method-push = Approve in your browser
method-push-hint = A message to a browser you set up
method-qr_approval = Scan with your phone
method-qr_approval-hint = A phone that is signed in already
method-radius_otp = One-time passcode
method-radius_otp-hint = The passcode of your token
method-upstream_mfa = Your organisation’s sign-in
method-upstream_mfa-hint = It has confirmed you twice
method-sms_email_otp = Codes by text message and email
method-sms_email_otp-hint = One half to your phone, one to your mail
method-sms_otp = Code by text message
method-sms_otp-hint = Sent to your phone
method-voice_call = Phone call
method-voice_call-hint = We call and read you a code
method-sms_approval = Link by text message
method-sms_approval-hint = Open it to approve
method-email_otp = Code by email
method-email_otp-hint = Sent to your mail address
method-email_approval = Link by email
method-email_approval-hint = Open it to approve
method-alternate_email_otp = Code by email to your other address
method-alternate_email_otp-hint = Sent to the second address you gave
method-grid_card = Grid card
method-grid_card-hint = The fields we ask for on your card
method-backup_code = Backup code
method-backup_code-hint = One of the codes you kept
method-password = Password
method-password-hint = The password of your account
method-directory_password = Organisation password
method-directory_password-hint = The one you use at work
method-external_idp = Sign in elsewhere
method-external_idp-hint = With an account you have already
method-magic_link = Link by email
method-magic_link-hint = Sign in without a password
method-access_pass = Access pass
method-access_pass-hint = From your help desk
method-security_questions = Security questions
method-security_questions-hint = The answers you gave
method-activation_link = Activation link
method-activation_link-hint = From the mail that welcomed you
method-recovery_link = Recovery link
method-recovery_link-hint = From the mail we sent you
