"""Targets made of targets: products, mixtures, affine images, temperings. What is known is kept where it is exact."""

from biglearn_sampler.energy.combined.affine_image import AffineImage as AffineImage
from biglearn_sampler.energy.combined.affine_image import affine as affine
from biglearn_sampler.energy.combined.product_target import ProductTarget as ProductTarget
from biglearn_sampler.energy.combined.product_target import product as product
from biglearn_sampler.energy.combined.sum_target import SumTarget as SumTarget
from biglearn_sampler.energy.combined.sum_target import mixture_of as mixture_of
from biglearn_sampler.energy.combined.tempered_target import TemperedTarget as TemperedTarget
from biglearn_sampler.energy.combined.tempered_target import tempered as tempered
