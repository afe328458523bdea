using System.CommandLine;
using Crosscore.Litmus.Machine;

namespace Crosscore.Tool.Commands;

/// <summary>The options about running tests on this machine.</summary>
internal sealed class MachineOptions
{
    private static readonly Dictionary<string, MachineMode> ModeNames = new()
    {
        ["auto"] = MachineMode.Auto,
        ["rendezvous"] = MachineMode.Rendezvous,
        ["perpetual"] = MachineMode.Perpetual,
    };

    private readonly Option<long> _iterations = new Option<long>("--iterations")
    {
        Description = "Iterations of each test (in perpetual mode: of its slow side)",
        DefaultValueFactory = _ => 200_000,
        HelpName = "N",
    }.Taking("a whole number from 1", value => value >= 1);

    private readonly Option<string> _mode = new Option<string>("--mode")
    {
        Description = "How threads are synchronized; auto chooses perpetual for a barrier on one side",
        DefaultValueFactory = _ => "auto",
    }.AcceptOnlyFromAmong([.. ModeNames.Keys]);

    private readonly Option<double> _limit = new Option<double>("--time-limit")
    {
        Description = "Maximum time per test, in seconds",
        DefaultValueFactory = _ => 10,
        HelpName = "SECONDS",
    }.Taking("a number of seconds above 0, at most 86400", value => value is > 0 and <= 86_400);

    public void AddTo(Command command)
    {
        command.Add(_iterations);
        command.Add(_mode);
        command.Add(_limit);
    }

    public MachineRunOptions Read(ParseResult result) =>
        new()
        {
            Iterations = result.GetValue(_iterations),
            Mode = ModeNames[result.GetValue(_mode)!],
            TimeLimit = TimeSpan.FromSeconds(result.GetValue(_limit)),
        };
}
