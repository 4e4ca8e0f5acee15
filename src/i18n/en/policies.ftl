# The texts of policies' `@message`s: `policy-message-` and the message with hyphens for dots. They stand on challenge and block
# pages. They say what a person can do, and nothing that helps an attacker.

policy-message-account-inactive = This account can’t be used at the moment.
policy-message-app-pilot = This app is being tried out by a few people and is not open to everybody yet.
policy-message-account-pending = Your account is not set up yet. Open the link in the mail that welcomed you.
policy-message-second-factor-required = This app asks for a second confirmation besides your password.
policy-message-network-not-allowed = This app opens from your organisation’s networks only. Connect to the office network or the VPN, then try again.
policy-message-network-blocked = Sign-ins from this network are blocked.
policy-message-network-country = Sign-ins from this country are blocked.
policy-message-network-anonymous = We can’t rule out that you come through an anonymising network, such as Tor or a public VPN.
policy-message-network-abroad = We don’t recognise this browser, and we can’t tell that you are in your home country.
policy-message-device-limit = With this browser it would be more devices than this app allows.
policy-message-time-outside-hours = This app is closed at this time of day.
policy-message-risk-locked = There were too many failed attempts. Wait 15 minutes, then try again.
policy-message-device-unknown = We don’t recognise this browser.
policy-message-device-kept = Your devices are looked after by your organisation. To free one, ask for help.
policy-message-self-service-proof = Before you change how you sign in, or which devices count, we need to be sure that it is you.
