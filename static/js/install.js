// Registers the service worker, on every page.

if ("serviceWorker" in navigator && isSecureContext) {
  navigator.serviceWorker.register("/worker.js").catch(() => {}); // The site works without it.
}
