"""How the shapes detector is built, fed and read: an adapter as a user writes one, for `dnnbox run --adapter`."""

from __future__ import annotations

import torch
from PIL import Image
from torch import nn

CELLS, SIZE, CLASSES = 16, 128, ("circle", "square", "triangle")


class Detector(nn.Module):
    """One prediction per cell of a 16 × 16 grid: objectness, box (x, y in the cell, w, h of the picture), class."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.Conv2d(4 * width, 4 * width, 3, padding=2, dilation=2), nn.BatchNorm2d(4 * width), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(4 * width, 5 + len(CLASSES), 1)

    def forward(self, image):
        """Return [N, 8, 16, 16] for pictures [N, 3, 128, 128] in 0…1."""
        return self.head(self.body(image))


class Adapter:
    """The six methods that dnnbox calls inside the box."""

    def load(self, checkpoint: str, device: str, precision: str) -> None:
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        self.model = Detector().to(device)
        self.model.load_state_dict(saved["model"], strict=True)
        self.model.eval()
        self.device = device

    def example_inputs(self, batch_size: int):
        return torch.rand(batch_size, 3, SIZE, SIZE, device=self.device)

    def preprocess(self, paths):
        pictures = [Image.open(path).convert("RGB").resize((SIZE, SIZE)) for path in paths]
        rows = [torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8) for picture in pictures]
        return (torch.stack(rows).reshape(-1, SIZE, SIZE, 3).permute(0, 3, 1, 2) / 255).contiguous().to(self.device)

    def infer(self, inputs):
        with torch.inference_mode():
            return self.model(inputs)

    def postprocess(self, outputs, out_dir: str):
        """Return one entry for each picture: dnnbox draws what is called boxes, in pixels of the model's input."""
        return [{"boxes": self._boxes(answer)} for answer in outputs.cpu()]

    def _boxes(self, answer, threshold: float = 0.6):
        """Return the cells that are the highest of their neighbourhood and above the threshold."""
        seen = answer[0].sigmoid()
        highest = nn.functional.max_pool2d(seen[None], 5, 1, 2)[0]
        boxes = []
        for row, column in ((seen == highest) & (seen > threshold)).nonzero().tolist():
            x, y, width, height = answer[1:5, row, column].sigmoid().tolist()
            centre = ((column + x) / CELLS * SIZE, (row + y) / CELLS * SIZE)
            box = [centre[0] - width * SIZE / 2, centre[1] - height * SIZE / 2]
            box += [box[0] + width * SIZE, box[1] + height * SIZE]
            kind = int(answer[5:, row, column].argmax())
            found = {"class": kind, "label": CLASSES[kind], "score": round(float(seen[row, column]), 3)}
            boxes.append({**found, "box_xyxy": [round(side, 1) for side in box]})
        return sorted(boxes, key=lambda found: -found["score"])
