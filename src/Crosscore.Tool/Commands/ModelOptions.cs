using System.CommandLine;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Tool.Commands;

/// <summary>The options about exploring.</summary>
internal sealed class ModelOptions
{
    private static readonly Dictionary<string, Reductions> ReductionNames = new()
    {
        ["fusion"] = Reductions.LocalFusion,
        ["independence"] = Reductions.Independence,
        ["dead-registers"] = Reductions.DeadRegisters,
        ["promises-first"] = Reductions.PromisesFirst,
        ["all"] = Reductions.All,
    };

    private const string WholeNumber = "a whole number from 1";

    private readonly Option<string> _core = new Option<string>("--core")
    {
        Description = "The kind of cores [default: x86-tso, or aarch64 for a test written in AArch64]",
    }.AcceptOnlyFromAmong([.. CoreNames.All.Keys]);

    private readonly Option<int> _states = new Option<int>("--max-states")
    {
        Description = "Stop after this many states",
        DefaultValueFactory = _ => new ExplorationOptions().MaxStates,
        HelpName = "N",
    }.Taking(WholeNumber, value => value >= 1);

    private readonly Option<int> _memory = new Option<int>("--max-memory")
    {
        Description = "Stop when the states occupy this many MiB",
        DefaultValueFactory = _ => (int)(new ExplorationOptions().MaxBytes >> 20),
        HelpName = "MIB",
    }.Taking(WholeNumber, value => value >= 1);

    private readonly Option<int> _buffer = new Option<int>("--buffer")
    {
        Description = "Store-buffer entries per core, for loops that store without a fence",
        DefaultValueFactory = _ => new ExplorationOptions().BufferBound,
        HelpName = "N",
    }.Taking(WholeNumber, value => value >= 1);

    private readonly Option<int> _writes = new Option<int>("--writes")
    {
        Description = "AArch64: maximum writes tracked, for programs with unbounded loops",
        DefaultValueFactory = _ => new ExplorationOptions().WriteBound,
        HelpName = "N",
    }.Taking(WholeNumber, value => value >= 1);

    private readonly Option<bool> _noPromises = new("--no-promises")
    {
        Description = "AArch64: disable early stores (promises); load buffering and store reordering are not explored",
    };

    private readonly Option<string[]> _caches = new Option<string[]>("--cache-type")
    {
        Description = "AArch64: override CTR_EL0 (idc: no D-cache clean needed; dic: no I-cache invalidation needed)",
        AllowMultipleArgumentsPerToken = true,
    }.AcceptOnlyFromAmong("idc", "dic", "none");

    private readonly Option<int?> _preemptions = new Option<int?>("--preemptions")
    {
        Description = "With --kernel: maximum involuntary preemptions [default: unlimited]",
        HelpName = "N",
        CustomParser = static result =>
            int.TryParse(result.Tokens[0].Value, out int value) && value >= 0 ? value : Wrong(result),
    };

    private readonly Option<string[]> _without = new Option<string[]>("--without")
    {
        Description = "Disable a reduction of the exploration; verdicts do not change",
    }.AcceptOnlyFromAmong([.. ReductionNames.Keys]);

    /// <summary>Gets the options; those of core and scheduler only if the user may choose them.</summary>
    public IEnumerable<Option> All(bool withCore) =>
        withCore
            ? [_core, _states, _memory, _buffer, _writes, _noPromises, _caches, _preemptions, _without]
            : [_states, _memory, _buffer, _writes, _noPromises, _caches, _without];

    /// <summary>Reads the kind of cores; <see langword="null"/> leaves it to the test.</summary>
    public CoreKind? Core(ParseResult result) => result.GetValue(_core) is string name ? CoreNames.All[name] : null;

    public ExplorationOptions Read(ParseResult result)
    {
        Reductions reductions = Reductions.All;
        foreach (string name in result.GetValue(_without) ?? [])
        {
            reductions &= ~ReductionNames[name];
        }

        return new ExplorationOptions
        {
            MaxStates = result.GetValue(_states),
            MaxBytes = (long)result.GetValue(_memory) << 20,
            BufferBound = result.GetValue(_buffer),
            WriteBound = result.GetValue(_writes),
            Promises = !result.GetValue(_noPromises),
            Caches = result.GetValue(_caches) is { Length: > 0 } caches
                ? caches.Aggregate(
                    CacheType.None,
                    (all, name) =>
                        all
                        | name switch
                        {
                            "idc" => CacheType.Idc,
                            "dic" => CacheType.Dic,
                            _ => CacheType.None,
                        }
                )
                : null,
            PreemptionBound = result.GetValue(_preemptions),
            Reductions = reductions,
        };
    }

    private static int? Wrong(System.CommandLine.Parsing.ArgumentResult result)
    {
        result.AddError($"found '{result.Tokens[0].Value}' after --preemptions, expected a whole number from 0");
        return null;
    }
}
