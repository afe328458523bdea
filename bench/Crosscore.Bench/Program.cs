using Crosscore.Bench;
using Crosscore.Bench.Barriers;
using Crosscore.Bench.Code;
using Crosscore.Bench.Corpus;
using Crosscore.Bench.Exploration;
using Crosscore.Bench.Machine;
using Crosscore.Bench.PerCpu;
using Crosscore.Bench.Reclamation;
using Crosscore.Bench.Structures;

var sections = new Dictionary<string, Action<string?>>
{
    ["exploration"] = _ => ExplorationBench.Run(),
    ["kernel"] = _ => KernelBench.Run(),
    ["large"] = _ => KernelBench.RunLarge(),
    ["corpus"] = CorpusBench.Run,
    ["machine"] = _ => MachineBench.Run(),
    ["barriers"] = _ => BarrierBench.Run(),
    ["exits"] = _ => ExitedSibling.Run(),
    ["code"] = _ => InstallBench.Run(),
    ["patches"] = _ => LivePatchBench.Run(),
    ["percpu"] = _ => PerCpuBench.Run(),
    ["reclamation"] = _ => ReclamationBench.Run(),
    ["pool"] = _ => WaitingBench.RunPool(),
    ["quiet"] = _ => WaitingBench.RunQuiet(),
    ["hazards"] = _ => HazardBench.Run(),
    ["hazards-scale"] = _ => HazardScaleBench.Run(),
    ["locks"] = _ => LockBench.Run(),
    ["structures"] = _ => StructureBench.Run(),
};

string? corpus = null;
var asked = new List<string>();
for (int index = 0; index < args.Length; index++)
{
    if (args[index] == "--corpus" && index + 1 < args.Length)
    {
        corpus = args[++index];
    }
    else if (sections.ContainsKey(args[index]))
    {
        asked.Add(args[index]);
    }
    else
    {
        Console.Error.WriteLine(
            $"bench: found '{args[index]}', expected --corpus FOLDER or some "
                + $"of {string.Join(", ", sections.Keys)}; without any, all run"
        );
        return 2;
    }
}

Host.Print();
foreach ((string name, Action<string?> run) in sections)
{
    if (asked.Count == 0 || asked.Contains(name))
    {
        run(corpus);
    }
}

return 0;
