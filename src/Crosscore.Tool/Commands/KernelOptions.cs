using System.CommandLine;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Kernel;

namespace Crosscore.Tool.Commands;

/// <summary>The options about kernel designs and what cores promise of instruction fetch.</summary>
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
        Description = "What cores promise of instruction fetch",
        DefaultValueFactory = _ => "sdm",
    }.AcceptOnlyFromAmong([.. ProfileNames.Keys]);

    private readonly Option<string[]> _option = new("--option")
    {
        Description = "Give an option of the design another value",
        HelpName = "NAME=VALUE",
    };

    private readonly Option<string[]> _remove = new("--remove")
    {
        Description = "Leave a labelled barrier, serialisation or restart of the design out",
        HelpName = "LABEL",
    };

    private readonly Option<int> _cpus = new Option<int>("--cpus")
    {
        Description = "The machine beneath the kernel has at least this many CPUs",
        HelpName = "N",
    }.Taking($"a whole number from 1 to {TestSystem.MaxCpus}", value => value is >= 1 and <= TestSystem.MaxCpus);

    private readonly Option<string?> _offline = new("--offline")
    {
        Description = "CPUs that are offline, as in 1,2; no thread of a test may start there",
        HelpName = "CPUS",
    };

    public IEnumerable<Option> All => [_kernel, _profile, _option, _remove, _cpus, _offline];

    public FetchProfile Profile(ParseResult result) => ProfileNames[result.GetValue(_profile)!];

    /// <summary>The machine beneath the kernel, beyond what tests say.</summary>
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
                            + $"from 0 to {TestSystem.MaxCpus - 1}, with commas between"
                    );
        }

        return new TestMachine(result.GetValue(_cpus), offline);
    }

    /// <summary>The designs that were asked for; none when none was.</summary>
    public IReadOnlyList<KernelDesign> Read(ParseResult result)
    {
        string? name = result.GetValue(_kernel);
        string[] removed = result.GetValue(_remove) ?? [];
        string[] settings = result.GetValue(_option) ?? [];
        if (name is null)
        {
            return removed.Length + settings.Length == 0
                ? []
                : throw new UsageException("--option and --remove change a design: name it with --kernel");
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
    /// The design that another one is compared with, which it extends: on the same machine, without what
    /// <c>--remove</c> leaves out. Call it after <see cref="Read"/>. Of the project's own designs tests say what they
    /// expect, so that they are compared only where a test does not.
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
