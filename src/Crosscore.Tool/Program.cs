using System.CommandLine;
using System.CommandLine.Parsing;
using Crosscore.Model.Kernel.Language;
using Crosscore.Tool;
using Crosscore.Tool.Commands;

// The field's tools, and the tests of this one, read UTF-8 whatever the locale says.
Console.OutputEncoding = new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

var root = new RootCommand("Litmus tests of memory, decided by an exhaustive model and run on this machine")
{
    TestCommand.Check(),
    TestCommand.Explore(),
    TestCommand.Run(),
    MachineCommand.Create(),
    AblateCommand.Create(),
    KernelsCommand.Create(),
};

// A newcomer types the name alone.
args = args.Length == 0 ? ["--help"] : args;

// "@list" is ours: a file of tests, not of arguments.
ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
if (parsed.Errors.Count > 0)
{
    foreach (ParseError error in parsed.Errors)
    {
        Console.Error.WriteLine($"crosscore: {error.Message}");
    }

    // The word that is no command comes first; what follows it is no option of any.
    string hint =
        parsed.CommandResult.Command == root && args.Length > 0
            ? Suggestion.For(args[0], root.Subcommands.Select(command => command.Name))
            : "";
    Console.Error.WriteLine($"crosscore: see --help{hint}");
    return ExitCode.BadInput;
}

try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (UsageException problem)
{
    Console.Error.WriteLine($"crosscore: {problem.Message}");
    return ExitCode.BadInput;
}
catch (Exception bug) when (bug is not OperationCanceledException)
{
    Console.Error.WriteLine(
        $"crosscore: this is a mistake of Crosscore, please report it with the test that shows it.\n{bug}"
    );
    return ExitCode.InternalError;
}
