using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;

namespace Crosscore.Litmus.Tests.Kernel;

/// <summary>What a design tells about itself, and what can be changed about it from outside.</summary>
public class KernelDesignTests
{
    private static readonly (string Name, string Text)[] Files =
    [
        (
            "d",
            "design d extends b;\noption pti = true;\noption bool own = "
                + "true;\nsyscall f(cpu c) {\nentry:\n    smp_mb();\n    return 0;\n}\n"
        ),
        (
            "b",
            "design b;\noption int count = 2;\nsyscall f() {\n    return 0;\n}\n\nsyscall g() "
                + "{\nentry:\n    help();\n    return 0;\n}\n\nfunction help() {\nsync:\n    sync_core();\n}\n"
        ),
    ];

    [Fact]
    public void It_tells_its_parts()
    {
        KernelDesign design = DesignText.Parse(Files);
        Assert.Equal(("d", "d.kernel"), (design.Name, design.File));
        Assert.Equal(["f", "g"], design.Syscalls.Select(call => call.Name));
        Assert.Equal([KernelType.Cpu], design.Syscalls[0].Parameters);
        Assert.Equal(
            [
                ("f.entry", KernelLabelKind.Barrier, "smp_mb();"),
                ("g.entry", KernelLabelKind.Serialization, "help();"),
                ("help.sync", KernelLabelKind.Serialization, "sync_core();"),
            ],
            design.Labels.Select(label => (label.Name, label.Kind, design.SourceLines[label.Line].Text))
        );
        Assert.Equal(
            [
                "count=2",
                "interrupt_entry_serializes=false",
                "interrupt_return_serializes=true",
                "ipi_order=release_acquire",
                "own=true",
                "preemptible=false",
                "pti=true",
                "syscall_return_serializes=false",
            ],
            design.Options.Values.Select(option => $"{option.Name}={option.Value}").Order(StringComparer.Ordinal)
        );
        Assert.True(design.Flag("pti"));
    }

    [Fact]
    public void Options_and_labels_can_be_changed_and_the_original_stays()
    {
        KernelDesign design = DesignText.Parse(Files);
        KernelDesign other = design
            .With(new Dictionary<string, string> { ["pti"] = "false", ["ipi_order"] = "full" }, ["f.entry"])
            .With(removedLabels: ["sync"]);
        Assert.Equal(("false", "full"), (other.Options["pti"].Value, other.Options["ipi_order"].Value));
        Assert.Equal(["f.entry", "help.sync"], other.RemovedLabels.Order(StringComparer.Ordinal));
        Assert.Equal("true", design.Options["pti"].Value);
        Assert.Empty(design.RemovedLabels);
    }

    [Theory]
    [InlineData("ptj", "true", "d has no option 'ptj'; did you mean 'pti'?")]
    [InlineData("pti", "1", "The option 'pti' can be true or false, not '1'.")]
    [InlineData("count", "-1", "The option 'count' can be a number, not '-1'.")]
    [InlineData("ipi_order", "weak", "The option 'ipi_order' can be none or release_acquire or full, not 'weak'.")]
    public void Options_that_cannot_be(string name, string value, string message) =>
        Assert.StartsWith(
            message,
            Assert
                .Throws<ArgumentException>(() =>
                    DesignText.Parse(Files).With(new Dictionary<string, string> { [name] = value })
                )
                .Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData("entry", "The label 'entry' of d is ambiguous: f.entry, g.entry.")]
    [InlineData("g.entri", "d has no label 'g.entri'; did you mean 'g.entry'?")]
    [InlineData("synk", "d has no label 'synk'; did you mean 'sync'?")]
    public void Labels_that_cannot_be(string name, string message) =>
        Assert.StartsWith(
            message,
            Assert.Throws<ArgumentException>(() => DesignText.Parse(Files).With(removedLabels: [name])).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_design_is_found_by_name_or_by_path()
    {
        string path = Path.Combine(DesignText.Folder, "linux-5.11.kernel");
        Assert.Equal(path, KernelDesign.Load("linux-5.11", DesignText.Folder).File);
        Assert.Equal(path, KernelDesign.Load(path).File);
        FileNotFoundException missing = Assert.Throws<FileNotFoundException>(() =>
            KernelDesign.Load("linux-6.8x", DesignText.Folder)
        );
        Assert.Contains("There is no kernel design 'linux-6.8x'", missing.Message, StringComparison.Ordinal);
        Assert.Contains("did you mean 'linux-6.8'?", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_must_be_possible()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new KernelConfiguration(0, 1, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => new KernelConfiguration(2, 0, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => new KernelConfiguration(2, 4, []));
        Assert.Throws<ArgumentException>(() => new KernelConfiguration(2, 1, [new(0, 1)]));
        Assert.Throws<ArgumentException>(() => new KernelConfiguration(2, 3, [new(0, 1), new(0, 1)]));
    }

    [Fact]
    public void Variables_begin_as_the_test_places_its_tasks()
    {
        const string Text = """
            global cpus some = {1, 2};
            percpu task curr = running;
            percpu mm cr3 = running.home;
            task mm mm = home;
            mm int users = population;
            mm bool ready = true;
            percpu register int kept = 3;
            """;
        var compiler = new KernelCompiler(
            DesignText.Parse(Text),
            new KernelConfiguration(3, 0b111, [new(1, 2), new(0, -1), new(-1, 0, Holds: 1)])
        );
        Assert.Equal(
            ["some 6", "curr 3 0 1", "cr3 0 0 2", "mm 2 1 0", "users 1 2", "ready 1 1"],
            compiler.Memory.Select(region => $"{region.Name} {string.Join(' ', region.InitialValues)}")
        );
        Assert.All(
            compiler.Memory,
            region => Assert.True(region.AddressTaken && region.ElementWidth == 8 && region.Address > 0x6C00_0000_0000)
        );
    }
}
