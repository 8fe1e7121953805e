// What the server serves, as it lists it.
async function show_models(): Promise<void> {
  const models = (await (await fetch('/v1/models')).json()) as {data: {id: string}[]};
  document.body.textContent = models.data.map(model => model.id).join(', ');
}

void show_models();
