"""Pictures of HLO modules: computations as clusters of nodes, laid out in layers, as SVG or HTML."""
