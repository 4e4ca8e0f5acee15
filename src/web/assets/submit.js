// Sends the response on to the app. Without script the button does the same.
document.getElementById("response").submit();
