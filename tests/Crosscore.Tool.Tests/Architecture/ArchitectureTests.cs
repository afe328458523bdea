using ArchUnitNET.Domain;
using ArchUnitNET.Loader;
using Xunit.Sdk;
using Assembly = System.Reflection.Assembly;

namespace Crosscore.Tool.Tests.Architecture;

/// <summary>Folders are subjects, and the arrows between them point one way.</summary>
public sealed class ArchitectureTests
{
    private static readonly ArchUnitNET.Domain.Architecture Loaded = new ArchLoader()
        .LoadAssemblies(
            Assembly.Load("Crosscore"),
            Assembly.Load("Crosscore.Model"),
            Assembly.Load("Crosscore.Litmus"),
            Assembly.Load("Crosscore.Tool")
        )
        .Build();

    public static TheoryData<string> Projects => ["Crosscore", "Crosscore.Model", "Crosscore.Litmus", "Crosscore.Tool"];

    [Theory]
    [MemberData(nameof(Projects))]
    public void No_folder_reaches_itself_through_another_one(string project) =>
        AssertNoCycles(GraphOf(project), project);

    [Theory]
    [MemberData(nameof(Projects))]
    public void No_room_reaches_itself_through_another_one(string project) =>
        AssertNoCycles(GraphOf(project, depth: 1), project);

    /// <summary>The control: two folders of this assembly that refer to each other.</summary>
    [Fact]
    public void A_cycle_of_folders_is_found()
    {
        ArchUnitNET.Domain.Architecture own = new ArchLoader()
            .LoadAssemblies(typeof(ArchitectureTests).Assembly)
            .Build();
        var graph = new FolderGraph(own.Types, Path.Combine(Root, "tests", "Crosscore.Tool.Tests"));
        Assert.Contains(
            graph.Cycles(),
            cycle => cycle.StartsWith("Architecture/Here, Architecture/There", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void The_room_of_system_calls_refers_to_no_other_room() => Assert.Empty(GraphOf("Crosscore").From("Linux"));

    [Fact]
    public void The_model_refers_to_no_other_part() =>
        Assert.DoesNotContain(
            Assembly.Load("Crosscore.Model").GetReferencedAssemblies(),
            assembly => assembly.Name!.StartsWith("Crosscore", StringComparison.Ordinal)
        );

    [Fact]
    public void The_tool_shows_no_type() => Assert.Empty(Assembly.Load("Crosscore.Tool").GetExportedTypes());

    private static string Root
    {
        get
        {
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "Crosscore.slnx")))
            {
                folder = Path.GetDirectoryName(folder);
            }

            return folder ?? throw new XunitException("The test lies outside of the repository: run it from there.");
        }
    }

    private static void AssertNoCycles(FolderGraph graph, string project)
    {
        string[] cycles = [.. graph.Cycles()];
        Assert.True(cycles.Length == 0, $"{cycles.Length} cycles in {project}:\n{string.Join('\n', cycles)}");
    }

    private static FolderGraph GraphOf(string project, int depth = int.MaxValue)
    {
        IEnumerable<IType> types = Loaded.Types.Where(type => type.Assembly.Name.Split(',')[0] == project);
        var graph = new FolderGraph(types, Path.Combine(Root, "src", project), depth);
        Assert.True(graph.Count > 20, $"Only {graph.Count} types of {project} were found in its sources.");
        return graph;
    }
}
