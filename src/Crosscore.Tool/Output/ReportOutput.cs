using System.Globalization;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>
/// The standard output. On a terminal reports are drawn: tables, colors, wrapped prose. In a file or pipe they are
/// lines of fields separated by tabs. Text is given in Spectre's markup.
/// </summary>
internal abstract class ReportOutput
{
    /// <summary>Gets the output of this process.</summary>
    public static ReportOutput Standard { get; } =
        Console.IsOutputRedirected ? new PlainOutput(Console.Out) : new TerminalOutput(AnsiConsole.Console);

    /// <summary>Gets the console to draw on; <see langword="null"/> in a file or pipe.</summary>
    public virtual IAnsiConsole? Terminal => null;

    /// <summary>Ends a block: what follows is separated by an empty line.</summary>
    public abstract void Break();

    /// <summary>Writes a sentence.</summary>
    public abstract void Line(string markup);

    /// <summary>Writes text as it is, line breaks and blanks included.</summary>
    public abstract void Verbatim(string text);

    /// <summary>Writes prose that a terminal wraps, under a name that only a file shows.</summary>
    public abstract void Prose(string name, string text, bool isDim = false);

    /// <summary>Writes names with their values, or symbols with their meaning.</summary>
    public abstract void Facts(params IEnumerable<(string Name, string Markup)> facts);

    /// <summary>Writes a table.</summary>
    public abstract void Write(Sheet sheet);

    /// <summary>Returns a number as a cell shows it: with separators for people, without for programs.</summary>
    public abstract string Number(long value);
}

/// <summary>A table: titles, and rows of cells in Spectre's markup.</summary>
/// <param name="isFramed">Whether a terminal draws a frame around it.</param>
internal sealed class Sheet(bool isFramed = false)
{
    private readonly List<(string Title, Justify Justify)> _columns = [];
    private readonly List<string[]> _rows = [];

    public bool IsFramed { get; } = isFramed;

    public IReadOnlyList<(string Title, Justify Justify)> Columns => _columns;

    public IReadOnlyList<string[]> Rows => _rows;

    public Sheet AddColumns(params IEnumerable<string> titles)
    {
        foreach (string title in titles)
        {
            AddColumn(title);
        }

        return this;
    }

    public Sheet AddColumn(string title, Justify justify = Justify.Left)
    {
        _columns.Add((title, justify));
        return this;
    }

    public void AddRow(params IEnumerable<string> cells)
    {
        string[] row = [.. cells];
        _rows.Add(
            row.Length == _columns.Count
                ? row
                : throw new InvalidOperationException(
                    $"Crosscore bug: a row of {row.Length} cells in a table of {_columns.Count} columns"
                )
        );
    }
}

/// <summary>Draws on a terminal.</summary>
internal sealed class TerminalOutput(IAnsiConsole console) : ReportOutput
{
    // Longer lines of prose are tiring to read, however wide the window is.
    private const int MaxProseWidth = 120;

    public override IAnsiConsole Terminal => console;

    public override void Break() => console.WriteLine();

    public override void Line(string markup) => console.MarkupLine(markup);

    public override void Verbatim(string text) => console.WriteLine(text);

    public override void Prose(string name, string text, bool isDim = false)
    {
        int width = Math.Min(MaxProseWidth, console.Profile.Width) - 2;
        var style = new Style(decoration: isDim ? Decoration.Dim : Decoration.None);
        console.Write(new Padder(new Text(string.Join('\n', Wrap(text, width)), style), new Padding(2, 0, 0, 0)));
    }

    public override void Facts(params IEnumerable<(string Name, string Markup)> facts)
    {
        var grid = new Grid().AddColumns(2);
        foreach ((string name, string markup) in facts)
        {
            grid.AddRow(Markup.Escape(name), markup);
        }

        console.Write(grid);
    }

    public override void Write(Sheet sheet)
    {
        Table table = new Table().Border(sheet.IsFramed ? TableBorder.Rounded : TableBorder.Simple);
        foreach ((string title, Justify justify) in sheet.Columns)
        {
            table.AddColumn(new TableColumn(title) { Alignment = justify });
        }

        foreach (string[] row in sheet.Rows)
        {
            table.AddRow(row);
        }

        console.Write(sheet.IsFramed ? table : new Padder(table, new Padding(1, 0, 0, 0)));
    }

    public override string Number(long value) => Wording.Number(value);

    private static IEnumerable<string> Wrap(string text, int width)
    {
        var line = new System.Text.StringBuilder();
        foreach (string word in text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }
}

/// <summary>
/// Writes lines of fields for <c>cut</c> and <c>awk</c>: separated by one tab, not padded, none of them empty. Blocks
/// are separated by an empty line, and all lines of a block have the same number of fields.
/// </summary>
internal sealed class PlainOutput(TextWriter output) : ReportOutput
{
    // The number of fields of the block that is being written; 0 before the first line of one.
    private int _fields;
    private bool _isSeparated = true;
    private IReadOnlyList<string>? _titles;

    public override void Break()
    {
        if (!_isSeparated)
        {
            output.WriteLine();
        }

        _isSeparated = true;
        _fields = 0;
        _titles = null;
    }

    public override void Line(string markup) => WriteFields([markup]);

    public override void Verbatim(string text)
    {
        Break();
        output.Write(text.EndsWith('\n') ? text : text + "\n");
        _isSeparated = false;
    }

    public override void Prose(string name, string text, bool isDim = false) =>
        WriteFields([name, Markup.Escape(text)]);

    public override void Facts(params IEnumerable<(string Name, string Markup)> facts)
    {
        foreach ((string name, string markup) in facts)
        {
            WriteFields([Markup.Escape(name), markup]);
        }
    }

    public override void Write(Sheet sheet)
    {
        Break();
        WriteFields([.. sheet.Columns.Select(column => column.Title)]);
        foreach (string[] row in sheet.Rows)
        {
            WriteFields(row);
        }

        Break();
    }

    /// <summary>Writes a row of a table whose other rows are not known yet; the titles come before the first.</summary>
    public void WriteRow(IReadOnlyList<string> titles, IReadOnlyList<string> cells)
    {
        if (!ReferenceEquals(_titles, titles))
        {
            Break();
            WriteFields(titles);
            _titles = titles;
        }

        WriteFields(cells);
    }

    public override string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private void WriteFields(IReadOnlyList<string> fields)
    {
        if (_fields != 0 && _fields != fields.Count)
        {
            Break();
        }

        _fields = fields.Count;
        _isSeparated = false;
        output.WriteLine(string.Join('\t', fields.Select(Field)));
    }

    // Single blanks only: a tab or a line break in a cell would be taken for the end of it.
    private static string Field(string markup)
    {
        string text = string.Join(
            ' ',
            Markup.Remove(markup).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
        );
        return text.Length == 0 ? "-" : text;
    }
}
