// Keys that do something wherever the focus is: undo and redo, and the shot that is open.

/**
 * Follow the keyboard. `ofShot` maps keys to what they do while a shot is open; `isOpen()` says
 * whether one is, `step(which)` goes to the change before ("undo") or after ("redo").
 */
export function followKeys({ step, isOpen, ofShot }) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea, [role=slider]");
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "z") {
      if (typing?.type === "text") return;
      step(event.shiftKey ? "redo" : "undo");
    } else if (!typing && !command && !event.altKey && isOpen() && Object.hasOwn(ofShot, event.key)) {
      ofShot[event.key]();
    } else return;
    event.preventDefault();
  });
}
