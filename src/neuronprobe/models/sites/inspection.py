"""The inspection of a model when it is loaded: its sites are found in the network, and checked."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from neuronprobe.errors import InputError
from neuronprobe.models.network.forward import Forward, Inputs
from neuronprobe.models.network.loader import Loader
from neuronprobe.models.sites import checks
from neuronprobe.models.sites.finding import Anatomy
from neuronprobe.models.sites.hook import LayerSite, read
from neuronprobe.models.sites.site import RESIDUAL, Site


class Inspection:
    """What one short batch, whose length differs from its size, shows of a network; `title` names it in errors."""

    def __init__(self, forward: Forward, loader: Loader, title: str) -> None:
        """Raises InputError where the network is not frozen, finite, or what its configuration says."""
        self._forward, self._loader, self._title = forward, loader, title
        self._batch = forward.check_batch()
        checks.check_frozen(forward.network)
        self._anatomy = self._look()
        self._states = self._anatomy.states
        checks.check_finite(self._states, self._batch)
        checks.check_shape(self._states, loader.n_layers, getattr(loader.config, "hidden_size", None), title)

    @property
    def blocks(self) -> list[str]:
        """The modules of the blocks."""
        return self._anatomy.blocks

    def find(self, sites: Sequence[Site], layers: Sequence[int] | None) -> tuple[LayerSite, ...]:
        """All sites in all layers, or in those given; checked in a few forward passes.

        Raises InputError where a site or layer is not there, or a check fails.
        """
        stream = self._of(Site(RESIDUAL))
        if not stream or not self._carries_all(stream):
            return self._without_blocks(sites, layers)
        chosen = tuple(one for site in sites for one in self._in_layers(self._of(site), layers))
        forward, batch = self._forward, self._batch
        checks.check_hook(forward, chosen, self._states, batch)
        checks.check_padding(chosen, batch, lambda inputs: read(forward.network, chosen, lambda: forward.run(inputs)))
        checks.check_alive(forward, chosen, batch)
        return chosen

    def _of(self, site: Site) -> list[LayerSite]:
        return self._anatomy.find(site, self._loader.config.model_type, self._loader.is_decoder_of_two)

    def _carries_all(self, stream: Sequence[LayerSite]) -> bool:
        """Not asked of the decoder of two parts, which knows its sentence from the encoder too."""
        return self._loader.is_decoder_of_two or checks.carries_all(self._forward, stream, self._batch)

    def _look(self) -> Anatomy:
        try:
            return Anatomy(self._forward.network, lambda: self._with_states(self._batch), self._forward.states_of)
        except InputError:
            raise
        except Exception as error:  # whatever a network makes of inputs that it was not made for
            reason = " ".join(str(error).split())[:160]
            raise InputError(
                f"model.name must be a model that runs on subwords and their mask alone, got {self._title!r}: {reason}"
            ) from error

    def _with_states(self, inputs: Inputs) -> object:
        return self._forward.run(inputs, output_hidden_states=True)

    def _without_blocks(self, sites: Sequence[Site], layers: Sequence[int] | None) -> tuple[LayerSite, ...]:
        """The residual stream as the model returns it, where no module takes it as its input (XLM)."""
        if any(site.name != RESIDUAL for site in sites):
            raise InputError(f"model.sites must be residual for {self._title!r}: its blocks were not found.")
        stream = [LayerSite(RESIDUAL, layer, "", "output", s.shape[-1]) for layer, s in enumerate(self._states)]

        def states(inputs: Inputs) -> Sequence[Tensor]:
            return self._forward.states_of(self._with_states(inputs))

        checks.check_padding(stream, self._batch, states)
        return tuple(self._in_layers(stream, layers))

    def _in_layers(self, found: Sequence[LayerSite], layers: Sequence[int] | None) -> list[LayerSite]:
        n_layers = len(self._states) - 1
        for layer in layers or ():
            if not 0 <= layer <= n_layers:
                raise InputError(
                    f"layer must be between 0 and {n_layers} for {self._title} (0 = embeddings), got {layer}."
                )
        chosen = [one for one in found if layers is None or one.layer in layers]
        if not chosen:
            there = ", ".join(str(one.layer) for one in found)
            raise InputError(f"model.layers must have a layer of site {found[0].site} ({there}), got {layers}.")
        return chosen
