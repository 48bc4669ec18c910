from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("tradedesk", "0019_lease"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="tradingstate",
            options={
                "ordering": ["scope"],
                "permissions": [("release_tradingstate", "Can let trading go on")],
            },
        ),
    ]
