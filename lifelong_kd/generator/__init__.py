"""What makes samples of earlier tasks instead of keeping them: learned generators, samples inverted from a teacher."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "generator",
    {
        "abd": "lifelong_kd.generator.adversarial:Abd",
        "conditional_vae": "lifelong_kd.generator.conditional_vae:ConditionalVae",
        "deep_inversion": "lifelong_kd.generator.inversion:DeepInversion",
        "gan": "lifelong_kd.generator.gan:Gan",
        "latent_replay": "lifelong_kd.generator.latent:LatentReplay",
        "vae": "lifelong_kd.generator.vae:Vae",
    },
)
register = registry.register
