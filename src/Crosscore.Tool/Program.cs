using System.CommandLine;
using System.CommandLine.Parsing;
using Crosscore.Model.Kernel.Language;
using Crosscore.Tool.Commands;
using Crosscore.Tool.Inputs;
using Crosscore.Tool.Status;

// herd7's tools, and the tests of this one, read UTF-8 in every locale.
Console.OutputEncoding = new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

var root = new RootCommand("Litmus tests of memory, decided by an exhaustive model and run on this machine")
{
    TestCommand.Check(),
    TestCommand.Explore(),
    TestCommand.Run(),
    MachineCommand.Create(),
    new AblateCommand(),
    KernelsCommand.Create(),
};

// A newcomer types the name alone.
args = args.Length == 0 ? ["--help"] : args;

// "@list" names a file of tests, not of arguments.
ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
if (parsed.Errors.Count > 0)
{
    foreach (ParseError error in parsed.Errors)
    {
        Console.Error.WriteLine($"crosscore: {error.Message}");
    }

    // The misspelled command comes first; what follows it belongs to no command.
    string hint =
        parsed.CommandResult.Command == root && args.Length > 0
            ? Suggestion.For(args[0], root.Subcommands.Select(command => command.Name))
            : "";
    Console.Error.WriteLine($"crosscore: see --help{hint}");
    return ExitStatus.BadInput;
}

try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (UsageException problem)
{
    Console.Error.WriteLine($"crosscore: {problem.Message}");
    return ExitStatus.BadInput;
}
catch (Exception bug) when (bug is not OperationCanceledException)
{
    Console.Error.WriteLine($"crosscore: internal error in Crosscore; please report it together with the test\n{bug}");
    return ExitStatus.InternalError;
}
