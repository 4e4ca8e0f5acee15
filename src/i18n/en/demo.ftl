# The demonstration's own pages.

demo-nav = Demonstration
demo-nav-guide = Guide
demo-nav-pretend = Pretend
demo-nav-mails = Mails
demo-nav-portal = Your apps
demo-guide-title = See cedargate decide
demo-guide-text = Everything here runs on temporary data on this computer. Every answer you get comes from the Cedar policies in the policies folder.
demo-pretended = Pretended now:
demo-pretend-change = Change
demo-hour-true = the true time
demo-accounts = Accounts to try
demo-accounts-text = Their passwords were made up when this demonstration started and go away with it.
demo-username = Username
demo-password = Password
demo-code = Code now
demo-code-left =
    { $count ->
        [one] for one more second
       *[other] for { $count } more seconds
    }
demo-code-reload = Show the codes of now
demo-mails-title = Mails
demo-mails-text = What would have been sent stands here instead.
demo-mails-none = No mails yet
demo-mails-none-text = They show up as soon as a sign-in or a policy sends one.
demo-mail-to = to { $to }
demo-pretend-title = Pretend to be elsewhere
demo-pretend-text = Policies look at the address, the country and the hour of a sign-in. Choose what they see of you.
demo-pretend-saved = Saved. From now on policies see this.
demo-address = Address
demo-country = Country
demo-hour = Hour of the day
demo-pretend-button = Pretend this
demo-back-to-guide = Back to the guide
demo-sp-name = Nimbus Console
demo-sp-start-title = Sign in to Nimbus Console
demo-sp-start-text = This stands in for Amazon Web Services. It knows cedargate only by its metadata and checks each response with other code than the code that signed it.
demo-sp-start-button = Sign in with { $organisation }
demo-sp-verified = You are in
demo-sp-verified-text = The response was signed, complete and meant for this service. This is what it said.
demo-sp-roles = Roles you may take
demo-sp-duration = Each lasts { $duration } seconds.
demo-sp-checks = What was checked
demo-sp-assertion = Assertion
demo-sp-issuer = Issuer
demo-sp-subject = Subject
demo-sp-audience = Audience
demo-sp-valid-until = Valid until
demo-sp-context = Authenticated by
demo-sp-in-response-to = In response to
demo-sp-unasked = nothing: it came unasked (IdP-initiated)
demo-sp-attributes = Attributes
demo-sp-xml = The XML as it arrived
demo-sp-refused = This response is refused
demo-sp-refused-text = Something in it does not hold, so nobody was signed in.
demo-sp-denied = You were not signed in
demo-sp-denied-text = cedargate answered with a signed refusal.
