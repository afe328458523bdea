using System.CommandLine;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Kernel;
using Crosscore.Tool.Inputs;

namespace Crosscore.Tool.Commands;

/// <summary>The options about kernel designs and instruction fetch.</summary>
internal sealed class KernelOptions
{
    private readonly Dictionary<string, string> _values = [];
    private bool _isAll;

    private static readonly Dictionary<string, FetchProfile> ProfileNames = new()
    {
        ["sdm"] = FetchProfile.Sdm,
        ["amd"] = FetchProfile.Amd,
        ["coherent"] = FetchProfile.Coherent,
    };

    private readonly Option<string?> _kernel = new("--kernel")
    {
        Description = "The kernel design the tests run on: a name (see crosscore kernels), a file, or all",
        HelpName = "NAME",
    };

    private readonly Option<string> _profile = new Option<string>("--profile")
    {
        Description = "What cores guarantee about instruction fetch",
        DefaultValueFactory = _ => "sdm",
    }.AcceptOnlyFromAmong([.. ProfileNames.Keys]);

    private readonly Option<string[]> _option = new("--option")
    {
        Description = "Override an option of the design",
        HelpName = "NAME=VALUE",
    };

    private readonly Option<string[]> _remove = new("--remove")
    {
        Description = "Remove a labeled barrier, serialization or restart from the design",
        HelpName = "LABEL",
    };

    private readonly Option<int> _cpus = new Option<int>("--cpus")
    {
        Description = "Minimum number of CPUs of the simulated machine",
        HelpName = "N",
    }.Taking($"a whole number from 1 to {TestSystem.MaxCpus}", value => value is >= 1 and <= TestSystem.MaxCpus);

    private readonly Option<string?> _offline = new("--offline")
    {
        Description = "CPUs that are offline, for example 1,2; no thread of a test may start on them",
        HelpName = "CPUS",
    };

    public IEnumerable<Option> All => [_kernel, _profile, _option, _remove, _cpus, _offline];

    public FetchProfile Profile(ParseResult result) => ProfileNames[result.GetValue(_profile)!];

    /// <summary>Reads the simulated machine: what the options add to the lines of a test.</summary>
    public TestMachine Machine(ParseResult result)
    {
        int offline = 0;
        foreach (string word in (result.GetValue(_offline) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            offline |=
                int.TryParse(word, out int cpu) && cpu is >= 0 and < TestSystem.MaxCpus
                    ? 1 << cpu
                    : throw new UsageException(
                        $"found '{word}' after --offline, expected numbers of CPUs "
                            + $"from 0 to {TestSystem.MaxCpus - 1}, separated by commas"
                    );
        }

        return new TestMachine(result.GetValue(_cpus), offline);
    }

    /// <summary>Reads the designs; none without <c>--kernel</c>.</summary>
    public IReadOnlyList<KernelDesign> Read(ParseResult result)
    {
        string? name = result.GetValue(_kernel);
        string[] removed = result.GetValue(_remove) ?? [];
        string[] settings = result.GetValue(_option) ?? [];
        if (name is null)
        {
            return removed.Length + settings.Length == 0
                ? []
                : throw new UsageException("--option and --remove need a kernel design: add --kernel NAME");
        }

        _isAll = name == "all";
        IReadOnlyList<KernelDesign> designs = _isAll ? KernelFolder.All() : [KernelFolder.Load(name)];
        foreach (string setting in settings)
        {
            string[] parts = setting.Split('=');
            _values[parts[0]] =
                parts.Length == 2
                    ? parts[1]
                    : throw new UsageException($"found '{setting}' after --option, expected NAME=VALUE");
        }

        try
        {
            return [.. designs.Select(design => design.With(_values, removed))];
        }
        catch (ArgumentException problem)
        {
            throw new UsageException(problem.Message);
        }
    }

    /// <summary>
    /// Gets the base that a design is compared with: on the same machine, without <c>--remove</c>. Call it
    /// after <see cref="Read"/>. A design of the project is compared only if the test expects nothing of it.
    /// </summary>
    public KernelDesign? BaseOf(DesignReport report)
    {
        if (_isAll || (report.Expected is not null && KernelFolder.Holds(report.Design)))
        {
            return null;
        }

        return report.Design.Base is KernelDesign extended
            ? extended.With(_values.Where(value => extended.Options.ContainsKey(value.Key)).ToDictionary())
            : null;
    }
}
