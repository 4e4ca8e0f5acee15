// Adds a button that shows what is typed into a password field. Pages work without it.
for (const box of document.querySelectorAll(".reveal")) {
  const input = box.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "reveal-button";
  button.setAttribute("aria-controls", input.id);
  const show = (visible) => {
    input.type = visible ? "text" : "password";
    button.textContent = visible ? box.dataset.hide : box.dataset.show;
  };
  show(false);
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // A shown password must not end up in the browser's memory of text fields.
  input.form.addEventListener("submit", () => show(false));
  box.append(button);
}
// Counts down on a button that has to wait. Without this, pressing it too early leads to a page that says so.
for (const button of document.querySelectorAll("[data-wait]")) {
  const label = button.textContent;
  const due = performance.now() + Number(button.dataset.wait) * 1000;
  const show = () => {
    const left = Math.ceil((due - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? button.dataset.waitLabel.replace("#", left) : label;
    if (left > 0) setTimeout(show, 250);
  };
  show();
}
