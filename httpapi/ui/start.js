SwaggerUIBundle({
  url: new URL("../openapi.json", window.location.href).href,
  domNode: document.getElementById("docs"),
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
