import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0001_capabilities"),
        ("hosts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255)),
                ("kind", models.CharField(choices=[("pci", "PCI"), ("usb", "USB"), ("mdev", "Mediated device")], max_length=4)),
                ("address", models.CharField(max_length=64)),
                ("parent", models.CharField(blank=True, max_length=64)),
                ("class_code", models.CharField(blank=True, max_length=8)),
                ("vendor_id", models.CharField(blank=True, max_length=8)),
                ("product_id", models.CharField(blank=True, max_length=8)),
                ("vendor", models.CharField(blank=True, max_length=255)),
                ("product", models.CharField(blank=True, max_length=255)),
                ("driver", models.CharField(blank=True, max_length=64)),
                ("bridge", models.BooleanField(default=False)),
                ("numa_node", models.IntegerField(null=True)),
                ("iommu_group", models.IntegerField(null=True)),
                ("physical_function", models.CharField(blank=True, max_length=64)),
                ("virtual_functions", models.JSONField(default=list)),
                ("most_functions", models.PositiveIntegerField(default=0)),
                ("mdev_types", models.JSONField(default=list)),
                ("mdev_type", models.CharField(blank=True, max_length=128)),
                ("holds", models.JSONField(default=list)),
                ("host", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="devices", to="hosts.host")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("host", "name"), name="device_identity")],
            },
        ),
    ]
