"use strict";
// The viewer of a page's scans, on NiiVue. `window.viewer` is what the page's state can be read by.
(async () => {
  const box = document.getElementById("viewer");
  const canvas = document.getElementById("viewer-canvas");
  const told = JSON.parse(document.getElementById("viewer-data").textContent);
  const slice = document.getElementById("viewer-slice");
  const opacity = document.getElementById("viewer-opacity");
  const state = document.getElementById("viewer-state");
  const names = [...box.querySelectorAll("[data-window]")].map((button) => button.textContent);
  let window_ = 0;
  let shown = 0;

  if (!document.createElement("canvas").getContext("webgl2")) {
    box.querySelector(".viewer-works").hidden = true;
    box.querySelector(".viewer-missing").hidden = false;
    document.documentElement.classList.add("no-webgl");
    return;
  }
  const nv = new niivue.Niivue({
    logLevel: "error",
    loadingText: "",
    dragAndDropEnabled: false,
    scrollRequiresFocus: true,
    isRadiologicalConvention: true,
    sagittalNoseLeft: true,
    multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
    multiplanarPadPixels: 4,
    crosshairWidth: 0.5,
    crosshairColor: [0.4, 0.8, 1, 0.7],
    fontColor: [0.85, 0.85, 0.85, 1],
  });
  nv.onLocationChange = report;
  await nv.attachToCanvas(canvas);

  function position() {
    return Array.from(nv.frac2vox(nv.scene.crosshairPos));
  }
  function report() {
    if (!nv.volumes.length) {
      return;
    }
    const at = position();
    slice.value = at[2];
    const text = `${told.cases[shown].label}: axial slice ${at[2] + 1} of ${Number(slice.max) + 1}, window ${names[window_]}.`;
    if (state.textContent !== text) {
      state.textContent = text;
    }
  }
  function press(attribute, value) {
    for (const button of box.querySelectorAll(`[${attribute}]`)) {
      button.setAttribute("aria-pressed", String(button.getAttribute(attribute) === String(value)));
    }
  }
  function setWindow(number) {
    window_ = number;
    press("data-window", number);
    nv.volumes[0].cal_min = told.windows[number].low;
    nv.volumes[0].cal_max = told.windows[number].high;
    nv.updateGLVolume();
    report();
  }
  function setOpacity(value) {
    opacity.value = value;
    if (nv.volumes.length > 1) {
      nv.setOpacity(1, Number(opacity.value));
    }
  }
  function move(x, y, z) {
    nv.moveCrosshairInVox(x, y, z);
    nv.drawScene();
    report();
  }
  async function show(number) {
    const { scan, relevance, focus } = told.cases[number];
    while (nv.volumes.length) {
      nv.removeVolumeByIndex(nv.volumes.length - 1);
    }
    const { low, high } = told.windows[window_];
    nv.addVolume(
      await niivue.NVImage.loadFromBase64({
        base64: scan, name: "scan.nii.gz", colormap: "gray", cal_min: low, cal_max: high,
      }),
    );
    if (relevance) {
      nv.addVolume(
        await niivue.NVImage.loadFromBase64({
          base64: relevance, name: "relevance.nii.gz", colormap: "warm",
          colormapNegative: "winter", cal_min: 0.3, cal_max: 1, opacity: Number(opacity.value),
        }),
      );
    }
    box.querySelector(".viewer-relevance").hidden = !relevance;
    shown = number;
    slice.max = nv.volumes[0].dimsRAS[3] - 1;
    nv.scene.crosshairPos = focus ? nv.mm2frac(focus) : [0.5, 0.5, 0.5];
    nv.updateGLVolume();
    report();
  }

  const keys = {
    PageUp: () => move(0, 0, 1),
    PageDown: () => move(0, 0, -1),
    ArrowUp: () => move(0, 1, 0),
    ArrowDown: () => move(0, -1, 0),
    ArrowLeft: () => move(1, 0, 0), // the patient's left is at the right
    ArrowRight: () => move(-1, 0, 0),
    1: () => setWindow(0),
    2: () => setWindow(1),
    3: () => setWindow(2),
    "+": () => setOpacity(Number(opacity.value) + 0.1),
    "-": () => setOpacity(Number(opacity.value) - 0.1),
  };
  // NiiVue has keys of its own, and takes the wheel also from who only wants to pass by.
  box.addEventListener(
    "keydown",
    (event) => {
      if (event.target === canvas) {
        event.stopPropagation();
        if (keys[event.key]) {
          event.preventDefault();
          keys[event.key]();
        }
      }
    },
    true,
  );
  box.addEventListener("keyup", (event) => event.stopPropagation(), true);
  box.addEventListener(
    "wheel",
    (event) => {
      if (document.activeElement !== canvas) {
        event.stopPropagation();
      }
    },
    true,
  );
  canvas.addEventListener("pointerdown", () => canvas.focus({ preventScroll: true }));
  box.addEventListener("click", (event) => {
    const { window: number, plane } = event.target.dataset;
    if (number !== undefined) {
      setWindow(Number(number));
    }
    if (plane !== undefined) {
      press("data-plane", plane);
      nv.setSliceType(Number(plane));
    }
  });
  slice.addEventListener("input", () => move(0, 0, Number(slice.value) - position()[2]));
  opacity.addEventListener("input", () => setOpacity(opacity.value));
  document.getElementById("viewer-case").addEventListener("change", (event) => show(Number(event.target.value)));
  document.addEventListener("click", (event) => {
    const number = event.target.dataset && event.target.dataset.show;
    if (number !== undefined) {
      document.getElementById("viewer-case").value = number;
      show(Number(number));
      canvas.focus();
    }
  });
  await show(0);
  window.viewer = { nv, show, setWindow, setOpacity, move, position };
})();
