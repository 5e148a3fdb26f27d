"""Data sets as streams of tasks, and the transforms that make the views the model sees."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "stream",
    {
        "split_digits": "lifelong_kd.stream.split_digits:split_digits",
        "split_mnist": "lifelong_kd.stream.mnist:split_mnist",
        "permuted_mnist": "lifelong_kd.stream.mnist:permuted_mnist",
        "rotated_mnist": "lifelong_kd.stream.mnist:rotated_mnist",
        "split_fashion_mnist": "lifelong_kd.stream.mnist:split_fashion_mnist",
        "split_cifar10": "lifelong_kd.stream.cifar:split_cifar10",
        "split_cifar100": "lifelong_kd.stream.cifar:split_cifar100",
        "split_tiny_imagenet": "lifelong_kd.stream.tiny_imagenet:split_tiny_imagenet",
        "core50": "lifelong_kd.stream.core50:core50",
        "image_folder": "lifelong_kd.stream.image_folder:image_folder",
        "arrays": "lifelong_kd.stream.arrays:arrays",
        "split_text": "lifelong_kd.stream.split_text:split_text",
        "split_audio": "lifelong_kd.stream.split_audio:split_audio",
    },
)
register = registry.register

transforms = Registry(
    "transform",
    {
        "crop": "lifelong_kd.stream.augment.crop:Crop",
        "flip": "lifelong_kd.stream.augment.flip:Flip",
        "rotation": "lifelong_kd.stream.augment.rotation:RandomRotation",
        "erasing": "lifelong_kd.stream.augment.erasing:Erasing",
        "color_jitter": "lifelong_kd.stream.augment.color_jitter:ColorJitter",
    },
)

encoders = Registry(
    "encoder",
    {
        "hashing": "lifelong_kd.stream.encode.hashing:Hashing",
        "tfidf": "lifelong_kd.stream.encode.tfidf:Tfidf",
        "tokens": "lifelong_kd.stream.encode.tokens:Tokens",
        "transformers": "lifelong_kd.stream.encode.pretrained:Pretrained",
    },
)

pools = Registry(
    "pool",
    {
        "dataset": "lifelong_kd.stream.pool_dataset:DatasetPool",
        "files": "lifelong_kd.stream.pool_files:FilesPool",
        "left_out": "lifelong_kd.stream.pool_left_out:LeftOutPool",
        "noise": "lifelong_kd.stream.pool_noise:NoisePool",
        "patches": "lifelong_kd.stream.pool_patches:PatchesPool",
    },
)
