import { defineConfig } from "vite";

export default defineConfig({
  base: "./", // the page also works below a path of a proxy
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the page's Content-Security-Policy forbids data: addresses
    modulePreload: { polyfill: false },
  },
});
